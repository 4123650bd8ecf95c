"""Networks that steer the filter, their distillation and their integer form."""
