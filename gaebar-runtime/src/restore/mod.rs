//! Puts a backup's rows into a store.
