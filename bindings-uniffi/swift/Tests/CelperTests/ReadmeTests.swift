import Foundation
import Testing

@Suite(.timeLimit(.minutes(5))) struct ReadmeTests {
    @Test func theReadmesFirstCallRunsUnchangedAndExits() async throws {
        let sandbox = Sandbox.shared
        for (candidate, status) in [("cand_xyz789", "new"), ("cand_interviewed", "interviewed")] {
            _ = try await sandbox.server.createCandidate(candidate, jobPositionId: "pos_abc123", status: status)
        }
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let program = Process()
        program.executableURL = tests.appendingPathComponent("Consumer/.build/debug/FirstCall")
        program.environment = ["CELPER_API_KEY": sandbox.apiKey, "CELPER_BASE_URL": sandbox.baseURL]
        let output = Pipe()
        program.standardOutput = output
        try program.run()
        let lines = String(decoding: try #require(try output.fileHandleForReading.readToEnd()), as: UTF8.self)
            .split(separator: "\n")
        program.waitUntilExit()
        #expect(program.terminationStatus == 0)
        #expect(lines.filter { !$0.hasPrefix("open until 20") } == ["new no score", "view the analysis first"])
        #expect(lines.count == 3)
    }
}
