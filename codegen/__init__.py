"""The compiler: TFLite graph -> passes -> memory plan -> C."""
