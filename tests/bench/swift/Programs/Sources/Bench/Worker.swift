import Foundation

/// A request from the runner.
private struct Request: Decodable {
    let operation: String
    let inFlight: Int
    let paced: Bool
    let calls: Int
}

/// Measures one client in its own process: the time to load it, then rounds of calls that the runner requests.
///
/// The argument is the server's URL. Reads requests as JSON lines from standard input and writes one line for each. The
/// README of the benchmarks describes them. The calling code runs on the main actor, as in an app.
@MainActor
public func work(_ make: (_ baseURL: String, _ paced: Bool) throws -> any Calls) async throws {
    let baseURL = CommandLine.arguments[1]
    let start = Date()
    let client = try make(baseURL, false)
    let load = Date().timeIntervalSince(start)
    try await call(client, "status")
    let started = Double(ProcessInfo.processInfo.environment["BENCH_STARTED"] ?? "") ?? 0
    try write(["load_us": load * 1e6, "first_us": (Date().timeIntervalSince1970 - started) * 1e6])

    let decisions = [try await client.select("cand_xyz789"), try await client.reject("cand_xyz789")]
    guard decisions == ["selected", "rejected"] else { throw Unexpected(decisions) }

    let paced = try make(baseURL, true)
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    while let line = readLine() {
        let request = try decoder.decode(Request.self, from: Data(line.utf8))
        if request.operation == "held" {
            try await held(client, calls: request.calls)
            continue
        }
        try resetPeak()
        let start = Usage()
        try await inFlight(
            request.paced ? paced : client, request.operation, calls: request.calls, callers: request.inFlight)
        try write(start.perCall(calls: request.calls), calls: request.calls)
    }
}

@MainActor
private func inFlight(_ client: any Calls, _ operation: String, calls: Int, callers: Int) async throws {
    let tasks = (0..<callers).map { _ in
        Task {
            for _ in 0..<calls / callers { try await call(client, operation) }
        }
    }
    for task in tasks { try await task.value }
}

/// Measures the memory of each of a number of calls for which the server withholds its responses.
@MainActor
private func held(_ client: any Calls, calls: Int) async throws {
    let before = try residentBytes()
    let all = Task { try await inFlight(client, "held", calls: calls, callers: calls) }
    // The runner writes a line when all calls have arrived, and releases them later.
    _ = await Task.detached { readLine() }.value
    try write(["bytes": (residentBytes() - before) / Double(calls)], calls: calls)
    try await all.value
    try write([:], calls: calls)
}

private func write(_ values: [String: Double], calls: Int? = nil) throws {
    var fields = values.map { "\"\($0.key)\": \($0.value)" }
    if let calls { fields.append("\"calls\": \(calls)") }
    try FileHandle.standardOutput.write(contentsOf: Data("{\(fields.joined(separator: ", "))}\n".utf8))
}
