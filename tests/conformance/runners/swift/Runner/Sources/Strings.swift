import Celper
import Foundation

/// All string forms of a value, by name. The harness searches them for secrets.
func strings(_ value: Any) -> [String: String] {
    var dumped = ""
    dump(value, to: &dumped)
    var forms = [
        "description": "\(value)",
        "debug": String(reflecting: value),
        "dump": dumped,
        "reflection": reflected(value).joined(separator: "\n"),
    ]
    if let error = value as? any Error { forms["localized"] = error.localizedDescription }
    let record =
        (value as? CandidateState)?.record ?? (value as? Invitation)?.record ?? (value as? Decision)?.record
        ?? (value as? CelperError)?.record
    if let record { forms["record"] = "\(record) \(String(reflecting: record))" }
    return forms
}

/// Everything that reflection finds in the value, recursively.
private func reflected(_ value: Any, _ path: String = "self", _ depth: Int = 8) -> [String] {
    guard depth > 0 else { return [] }
    var lines = ["\(path) = \(String(reflecting: value))"]
    var level: Mirror? = Mirror(reflecting: value)
    while let mirror = level {
        for (label, child) in mirror.children {
            lines += reflected(child, "\(path).\(label ?? "_")", depth - 1)
        }
        level = mirror.superclassMirror
    }
    return lines
}
