//! What a server's owner is told by `audit`: rules of the specification, what each client would do with the definitions, how they
//! read, what they cost, what is suspicious in them. Everything here judges; `run` performs what has to be sent.
