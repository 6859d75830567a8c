import Foundation
import Testing

@testable import Celper

/// The public API against the table that all languages share, `tests/conformance/api-surface.json`.
///
/// Swift's reflection has no signatures, so the declarations are read from the sources: what is public says so there, and
/// `swift format` keeps them in one form.
@Suite struct ApiSurfaceTests {
    static let package = URL(filePath: #filePath).appending(path: "../../..").standardized

    let table: [String: Any]
    /// What is declared at the top level, with its text.
    let declarations: [String: String]

    init() throws {
        let path = Self.package.appending(path: "../../tests/conformance/api-surface.json").standardized
        table = try #require(JSONSerialization.jsonObject(with: Data(contentsOf: path)) as? [String: Any])
        let sources = Self.package.appending(path: "Sources/Celper")
        let files = try FileManager.default.contentsOfDirectory(at: sources, includingPropertiesForKeys: nil)
        let swift = files.filter { $0.pathExtension == "swift" }
        let text = try swift.map { try String(contentsOf: $0, encoding: .utf8) }.joined(separator: "\n")
        // A declaration ends where the next thing at the beginning of a line starts.
        let pattern = #"^public (?:[a-z]+ )+(\w+)(.*?)(?=^(?:/|@|\w)|\z)"#
        declarations = try Dictionary(uniqueKeysWithValues: find(pattern, text).map { ($0[0], $0[1]) })
    }

    private func lines(_ path: String, _ node: Any?) -> [String] {
        switch node {
        case let fields as [String: Any]: fields.flatMap { name, inner in lines("\(path).\(name)", inner) }
        case let values as [Any]: values.flatMap { lines(path, $0) }
        default: ["\(path): \(node ?? "missing")"]
        }
    }

    /// A line of the table with Swift's names and types.
    private func spelled(_ line: String) throws -> String {
        let types = [
            "string": "String", "integer": "Int", "number": "Double", "boolean": "Bool", "duration": "Duration",
            "seconds": "Duration", "datetime": "Date", "pem": "String", "kind": "Kind", "operation": "String",
            "nothing": "Void", "strings": "[String]",
        ]
        let parts = try #require(find(#"^(\w+)(.*?): (\w+)(.*)$"#, line).first)
        let path = parts[1].replacing(/_(.)/) { $0.output.1.uppercased() }
        return "\(parts[0])\(path.replacing("baseUrl", with: "baseURL")): \(types[parts[2]] ?? parts[2])\(parts[3])"
    }

    private func compare(_ section: String, _ actual: [String], typed: Bool = true) throws {
        var expected = try Set(lines(section, table[section]).map { typed ? try spelled($0) : $0 })
        let differences = try #require((table["differences"] as? [String: [String: String]])?["swift"])
        for difference in differences.keys {
            let line = String(difference.dropFirst(2))
            guard line.hasPrefix("\(section).") || line.hasPrefix("\(section):") else { continue }
            let effective = difference.hasPrefix("+") ? expected.insert(line).inserted : expected.remove(line) != nil
            #expect(effective, "the difference \(difference) has no effect")
        }
        #expect(expected.subtracting(actual).sorted() == [], "in the table, and not in the package")
        #expect(Set(actual).subtracting(expected).sorted() == [], "in the package, and not in the table")
    }

    private func declaration(_ name: String) throws -> String { try #require(declarations[name]) }

    /// Parameters: `name: Type = default`.
    private func parameters(_ path: String, _ text: String) throws -> [String] {
        try find(#"(\w+): (?:sending )?((?:\[\w+\]|[\w.]+)\??)(?: = ([^,]+?))?\s*(?:,|\z)"#, text).map { parameter in
            let value = parameter[2].replacing(".seconds(", with: "").replacing(/^(\d+)\)$/) { $0.output.1 }
            let shown = value.isEmpty || value == "nil" ? "" : " = \(value)"
            return "\(path).\(parameter[0]): \(parameter[1].replacing("UInt64", with: "Int"))\(shown)"
        }
    }

    private func initializer(_ name: String, as section: String) throws -> [String] {
        let found = try find(#"^    public init\((.*?)\)(?: throws)? \{"#, declaration(name))
        return try parameters(section, #require(found.first)[0])
    }

    private func properties(_ name: String, as path: String) throws -> [String] {
        try find(#"^    public (?:let|var) (\w+): ((?:\(any \w+\)|[\w.]+)\??)"#, declaration(name)).map {
            "\(path).\($0[0]): \($0[1].replacing("UInt64", with: "Int"))"
        }
    }

    @Test func optionsAndRateLimits() throws {
        try compare("options", initializer("Celper", as: "options"))
        try compare("rate_limits", initializer("RateLimits", as: "rate_limits"))
    }

    @Test func methodsAndProperties() throws {
        let returned = #"(?: async)?(?: throws)?(?: -> ([\w.]+\??))?(?: where .+?)? \{"#
        let pattern = #"^    public (?:static )?func (\w+)(?:<.+?>)?\((.*?)\)"# + returned
        let methods = try find(pattern, declaration("Celper")).flatMap { method in
            let returns = method[2].isEmpty ? "Void" : method[2]
            return try parameters("methods.\(method[0])", method[1]) + ["methods.\(method[0]).returns: \(returns)"]
        }
        try compare("methods", methods)
        try compare("properties", properties("Celper", as: "properties"))
    }

    @Test func resultsStatusesErrorsAndNames() throws {
        let results = try #require(table["results"] as? [String: Any]).keys
        try compare("results", results.flatMap { try properties($0, as: "results.\($0)") })
        try compare("error_fields", properties("CelperError", as: "error_fields"))
        let kinds = try #require(table["error_kinds"] as? [String: Any]).keys
        #expect(kinds.sorted() == CelperError.Kind.allCases.map(\.rawValue).sorted())
        let statuses = try find(#"^    case (\w+)"#, declaration("CandidateStatus")).map { "statuses: \($0[0])" }
        try compare("statuses", statuses, typed: false)
        #expect(table["statuses"] as? [String] == CandidateStatus.known.map(\.rawValue))
        let names = declarations.keys.filter { !results.contains($0) }.map { "names: \($0)" }
        try compare("names", names, typed: false)
    }
}

/// What the groups of a pattern match, an empty text for a group that is not there.
private func find(_ pattern: String, _ text: String) throws -> [[String]] {
    let regex = try Regex(pattern).anchorsMatchLineEndings().dotMatchesNewlines()
    return text.matches(of: regex).map { match in
        match.output.dropFirst().map { $0.substring.map(String.init) ?? "" }
    }
}
