//! The log in segmented files, over any disk.
