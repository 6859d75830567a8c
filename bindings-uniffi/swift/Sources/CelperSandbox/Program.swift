#if os(macOS) || os(Linux)
    import Foundation

    /// The program `celper-sandbox` as a process, which exits when its standard input ends: also if this process is killed.
    final class Program: @unchecked Sendable {
        private let process = Process()
        // Open as long as this object lives.
        private let input = Pipe()
        private let output = Pipe()

        deinit { try? input.fileHandleForWriting.close() }

        struct Announced: Decodable {
            let base_url: String
            let api_key: String
        }

        /// Blocks the thread, for some milliseconds.
        static func start(_ named: URL?, _ arguments: [String]) throws -> (Program, Announced) {
            let executable = try named ?? find()
            let program = Program()
            let (output, errors) = (program.output, Pipe())
            program.process.executableURL = executable
            program.process.arguments = arguments
            program.process.standardInput = program.input
            program.process.standardOutput = output
            program.process.standardError = errors
            do {
                try program.process.run()
            } catch {
                throw SandboxError("celper-sandbox did not start: \(executable.path): \(error.localizedDescription)")
            }
            var bytes = Data()
            while !bytes.contains(UInt8(ascii: "\n")) {
                let more = output.fileHandleForReading.availableData
                if more.isEmpty { break }
                bytes += more
            }
            if bytes.isEmpty {
                let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
                let reason = text.trimmingCharacters(in: .whitespacesAndNewlines)
                throw SandboxError("celper-sandbox did not start: \(reason.isEmpty ? "it exited" : reason)")
            }
            guard let announced = try? JSONDecoder().decode(Announced.self, from: bytes) else {
                try? program.input.fileHandleForWriting.close()
                throw SandboxError(
                    "\(executable.path) is not celper-sandbox: it printed \(String(decoding: bytes, as: UTF8.self))")
            }
            return (program, announced)
        }

        /// Ends the program's input, and waits until it has closed its output. It may have inherited that signals are blocked.
        func stop() async {
            try? input.fileHandleForWriting.close()
            await withCheckedContinuation { continuation in
                DispatchQueue.global().async {
                    _ = try? self.output.fileHandleForReading.readToEnd()
                    continuation.resume()
                }
            }
        }

        private static func find() throws -> URL {
            let environment = ProcessInfo.processInfo.environment
            if let named = environment["CELPER_SANDBOX"], !named.isEmpty { return URL(fileURLWithPath: named) }
            for folder in (environment["PATH"] ?? "").split(separator: ":") {
                let path = "\(folder)/celper-sandbox"
                if FileManager.default.isExecutableFile(atPath: path) { return URL(fileURLWithPath: path) }
            }
            throw SandboxError(
                "the program celper-sandbox is not in PATH: install it (`pip install celper-sandbox`, or `npm install --global "
                    + "celper-sandbox`), or set CELPER_SANDBOX to its path")
        }
    }
#endif
