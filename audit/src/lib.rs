//! Stored values and a configuration in, inventory and findings out.
