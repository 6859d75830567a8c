//! Empty: tests/conformance/api-surface.json and the tests of each language have replaced it.
