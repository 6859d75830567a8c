import Foundation

/// The process's clock and CPU times when it is created.
struct Usage {
    private let wall = nanoseconds(CLOCK_MONOTONIC)
    private let cpu = nanoseconds(CLOCK_PROCESS_CPUTIME_ID)
    private let thread = nanoseconds(CLOCK_THREAD_CPUTIME_ID)

    /// The times since then, divided by a number of calls.
    func perCall(calls: Int) throws -> [String: Double] {
        let now = Usage()
        func each(_ nanoseconds: Double) -> Double { nanoseconds / 1e3 / Double(calls) }
        return [
            "wall_us": each(now.wall - wall), "cpu_us": each(now.cpu - cpu), "main_cpu_us": each(now.thread - thread),
            "peak_kb": try peakKb(),
        ]
    }
}

private func nanoseconds(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
}

/// Resets the kernel's record of this process's peak size.
func resetPeak() throws {
    guard let file = FileHandle(forWritingAtPath: "/proc/self/clear_refs") else { throw Unexpected("no clear_refs") }
    try file.write(contentsOf: Data("5".utf8))
    try file.close()
}

private func peakKb() throws -> Double {
    let lines = try text("/proc/self/status").split(separator: "\n")
    guard let line = lines.first(where: { $0.hasPrefix("VmHWM:") }), let size = Double(line.filter(\.isNumber)) else {
        throw Unexpected("no VmHWM")
    }
    return size
}

func residentBytes() throws -> Double {
    let fields = try text("/proc/self/statm").split(separator: " ")
    guard fields.count > 1, let pages = Double(fields[1]) else { throw Unexpected(fields.joined()) }
    return pages * Double(sysconf(Int32(_SC_PAGESIZE)))
}

/// Reads to the end, because the size of a file in /proc is not known before it is read.
private func text(_ path: String) throws -> String {
    guard let file = FileHandle(forReadingAtPath: path) else { throw Unexpected(path) }
    defer { try? file.close() }
    return String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
}
