// The Swift runner: carries out the calls that it is told, through the package's public API, and cancels them by their
// tasks.

import Celper
import Foundation

@main
struct Runner {
    static func main() throws {
        try Celper.fromEnvironment().close()
        write(["ready": "swift"])
        var runner = Runner()
        while let line = readLine() { try runner.handle(Request(line)) }
        // Calls under way, which may take minutes yet, keep nothing alive.
    }

    private var clients: [String?: Celper] = [:]
    private var cancellable: (id: Int, task: Task<Void, Never>)?

    private mutating func handle(_ request: Request) throws {
        let id = request.id
        switch request.what {
        case .open:
            do {
                let client = try request.options?.open() ?? .fromEnvironment()
                clients[request.client] = client
                write(id, opened(client))
            } catch {
                write(id, thrown(error))
            }
        case .call:
            let client = clients[request.client]
            let task = Task {
                do {
                    write(id, try await request.call(client))
                } catch {
                    write(id, thrown(error))
                }
            }
            if request.cancellable == true { cancellable = (id, task) }
        case .cancel:
            if let (id, task) = cancellable, id == request.call { task.cancel() }
        case .close:
            clients[request.client]?.close()
            write(id, ["closed": true])
        }
    }
}

struct Nonsense: Error {
    let text: String

    init(_ text: String) { self.text = text }
}
