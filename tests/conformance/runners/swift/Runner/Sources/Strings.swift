import Foundation

/// All string forms that Swift has for a thing, by name, to be searched for secrets.
func strings(_ thing: Any) -> [String: String] {
    var dumped = ""
    dump(thing, to: &dumped)
    var forms = [
        "description": "\(thing)",
        "debug": String(reflecting: thing),
        "dump": dumped,
        "reflection": reflected(thing).joined(separator: "\n"),
    ]
    if let error = thing as? any Error { forms["localized"] = error.localizedDescription }
    return forms
}

/// Everything that reflection finds in it, and in that, whatever these say of themselves.
private func reflected(_ thing: Any, _ path: String = "self", _ depth: Int = 8) -> [String] {
    guard depth > 0 else { return [] }
    var lines = ["\(path) = \(String(reflecting: thing))"]
    var level: Mirror? = Mirror(reflecting: thing)
    while let mirror = level {
        for (label, value) in mirror.children {
            lines += reflected(value, "\(path).\(label ?? "_")", depth - 1)
        }
        level = mirror.superclassMirror
    }
    return lines
}
