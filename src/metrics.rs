//! Events folded into families of metrics, and their exposition as text.
