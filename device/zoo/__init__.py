"""The zoo: trained models that come with tinyloc."""
