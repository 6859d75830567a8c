import Bench

// A program without a client, which never runs. Its size is subtracted from those of the other programs.
try await work { _, _ in throw Unexpected("no client") }
