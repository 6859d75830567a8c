import Foundation

#if canImport(os)
    internal import os
#endif

/// Passes the core's log events to the system's log on Apple's platforms. Elsewhere there is no log that a package could write to
/// without a dependency.
enum CallLog {
    #if canImport(os)
        private static let log = OSLog(subsystem: "ai.celper", category: "celper")
        private static let logger = Logger(log)

        /// The address of the function that the core calls.
        static var callback: UInt64 { UInt64(UInt(bitPattern: unsafeBitCast(onLogEvent, to: UnsafeRawPointer.self))) }

        /// Up to which level the log takes records now.
        static var level: UInt8 { log.isEnabled(type: .debug) ? 3 : log.isEnabled(type: .info) ? 2 : 1 }

        fileprivate static func put(_ level: Int32, _ text: String) {
            let type: OSLogType = level == 1 ? .error : level == 2 ? .info : .debug
            // It has no ids, no keys and nothing of an e-mail.
            logger.log(level: type, "\(text, privacy: .public)")
        }
    #else
        static let callback: UInt64 = 0
        static let level: UInt8 = 0
    #endif
}

#if canImport(os)
    /// The core calls it on any of its threads.
    private let onLogEvent: @Sendable @convention(c) (Int32, UnsafePointer<UInt8>?, Int32) -> Void = {
        CallLog.put($0, String(decoding: UnsafeBufferPointer(start: $1, count: Int($2)), as: UTF8.self))
    }
#endif
