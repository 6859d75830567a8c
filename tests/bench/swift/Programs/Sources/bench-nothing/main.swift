import Bench

// No client: what the others' programs have beside theirs. It is weighed, and never run.
try await work { _, _ in throw Unexpected("no client") }
