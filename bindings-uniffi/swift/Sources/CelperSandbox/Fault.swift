extension Sandbox {
    /// Something that goes wrong with a candidate's next request: `.status(503).times(2).act(.before)`.
    ///
    /// It applies once, to any operation.
    public struct Fault: Sendable, Hashable {
        let fields: [String: JSON]

        /// Only for requests of this operation.
        public func operation(_ operation: Operation) -> Fault { with("operation", .string(operation.rawValue)) }

        /// For this many requests.
        public func times(_ times: Int) -> Fault { with("times", JSON(times)) }

        /// For all further requests.
        public func always() -> Fault { with("times", .null) }

        /// Whether the action takes effect. Without it, it does not for `status`, `close` and `redirect`, and does for the others.
        public func act(_ act: Act) -> Fault { with("act", .string(act.rawValue)) }

        /// This response instead of the ordinary one. Null removes a header.
        public static func status(
            _ status: Int, headers: [String: JSON] = [:], body: String? = nil, json: JSON? = nil
        ) -> Fault {
            of(
                "status",
                ["status": JSON(status), "headers": .object(headers), "body": body.map { .string($0) }, "json": json])
        }

        /// The ordinary response, later.
        public static func delay(_ by: Duration) -> Fault { of("delay", ["seconds": JSON(by)]) }

        /// The connection closes without a byte, or is reset.
        public static func close(reset: Bool = false) -> Fault { of("close", ["reset": .bool(reset)]) }

        /// A part of the response: by default half of its body.
        public static func cut(afterBytes: Int? = nil) -> Fault {
            of("cut", ["afterBytes": afterBytes.map { JSON($0) }])
        }

        /// The response, byte by byte.
        public static func drip(bytesPerSecond: Double) -> Fault {
            of("drip", ["bytesPerSecond": .number(bytesPerSecond)])
        }

        /// A response that does not end.
        public static func endless(status: Int? = nil) -> Fault { of("endless", ["status": status.map { JSON($0) }]) }

        /// An HTML page.
        public static func notJSON(status: Int? = nil, body: String? = nil) -> Fault {
            of("not_json", ["status": status.map { JSON($0) }, "body": body.map { .string($0) }])
        }

        /// The ordinary response, padded to this length.
        public static func huge(bytes: Int) -> Fault { of("huge", ["bytes": JSON(bytes)]) }

        /// A redirect.
        public static func redirect(to location: String, status: Int? = nil) -> Fault {
            of("redirect", ["location": .string(location), "status": status.map { JSON($0) }])
        }

        /// A 200 with this in place of its data.
        public static func answer(data: JSON) -> Fault { of("answer", ["data": data]) }

        /// A 200 with this in place of its whole body.
        public static func answer(envelope: JSON) -> Fault { of("answer", ["envelope": envelope]) }

        /// The ordinary response, then a close without `Connection: close`.
        public static var closeIdle: Fault { of("close_idle", [:]) }

        private static func of(_ kind: String, _ fields: [String: JSON?]) -> Fault {
            Fault(fields: fields.compactMapValues { $0 }.merging(["kind": .string(kind)]) { old, _ in old })
        }

        private func with(_ name: String, _ value: JSON) -> Fault {
            Fault(fields: fields.merging([name: value]) { _, new in new })
        }
    }
}
