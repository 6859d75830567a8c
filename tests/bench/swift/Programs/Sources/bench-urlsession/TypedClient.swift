import Bench
import Foundation

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// A typed client over URLSession: sends the requests and parses the responses into typed values.
struct TypedClient: Calls {
    let baseURL: String
    let session: URLSession

    init(baseURL: String) {
        self.baseURL = baseURL
        let configuration = URLSessionConfiguration.default
        // The default is 6; raised so that no call waits for another.
        configuration.httpMaximumConnectionsPerHost = 2_000
        session = URLSession(configuration: configuration)
    }

    func status(_ candidate: String) async throws -> State {
        let path = "/v1/candidates/\(candidate)/status?jobPositionId=\(position)"
        let response: Envelope<StateData> = try await send(request(path))
        return State(
            status: response.data.status, analysisViewed: response.data.analysisViewed,
            interviewScore: response.data.interviewScore, requestId: response.requestId)
    }

    func invite(_ candidate: String, emailBody: String) async throws -> Invitation {
        let response: Envelope<InvitationData> = try await act(candidate, "invite", emailBody)
        guard let expiresAt = try? Date(response.data.expiresAt, strategy: times) else {
            throw Unexpected(response.data.expiresAt)
        }
        return Invitation(
            invited: response.data.invited, sessionId: response.data.sessionId,
            emailDelivery: response.data.emailDelivery, expiresAt: expiresAt)
    }

    func select(_ candidate: String) async throws -> String {
        let response: Envelope<DecisionData> = try await act(candidate, "select")
        return response.data.status
    }

    func reject(_ candidate: String) async throws -> String {
        let response: Envelope<DecisionData> = try await act(candidate, "reject")
        return response.data.status
    }

    func missing(_ candidate: String) async throws -> ErrorFields {
        do {
            throw Unexpected(try await status(candidate))
        } catch let error as APIError where error.status == 404 {
            return ErrorFields(status: error.status, code: error.body.error, requestId: error.body.requestId)
        }
    }

    private func request(_ path: String) throws -> URLRequest {
        guard let url = URL(string: baseURL + path) else { throw URLError(.badURL) }
        var request = URLRequest(url: url)
        request.setValue("celp_0123456789abcdef0123456789abcdef", forHTTPHeaderField: "X-API-Key")
        request.setValue("application/json", forHTTPHeaderField: "Accept")
        return request
    }

    private func act<T: Decodable>(
        _ candidate: String, _ operation: String, _ emailBody: String? = nil
    ) async throws -> Envelope<T> {
        var request = try request("/v1/candidates/\(candidate)/\(operation)")
        request.httpMethod = "POST"
        request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        request.setValue(UUID().uuidString, forHTTPHeaderField: "Idempotency-Key")
        request.httpBody = try JSONEncoder().encode(ActionBody(jobPositionId: position, emailBody: emailBody))
        return try await send(request)
    }

    private func send<T: Decodable>(_ request: URLRequest) async throws -> Envelope<T> {
        let (body, head) = try await session.data(for: request)
        guard let status = (head as? HTTPURLResponse)?.statusCode else { throw URLError(.badServerResponse) }
        guard status == 200 else {
            throw APIError(status: status, body: try JSONDecoder().decode(ErrorBody.self, from: body))
        }
        let response = try JSONDecoder().decode(Envelope<T>.self, from: body)
        guard response.success else { throw URLError(.cannotParseResponse) }
        return response
    }
}

private let position = "pos_abc123"
private let times = Date.ISO8601FormatStyle(includingFractionalSeconds: true)

private struct Envelope<T: Decodable>: Decodable {
    let success: Bool
    let requestId: String
    let data: T
}

private struct StateData: Decodable {
    let status: String
    let analysisViewed: Bool
    let interviewScore: Double?
}

private struct InvitationData: Decodable {
    let invited: Bool
    let sessionId: String
    let emailDelivery: String
    let expiresAt: String
}

private struct DecisionData: Decodable {
    let status: String
}

private struct ActionBody: Encodable {
    let jobPositionId: String
    let emailBody: String?
}

private struct ErrorBody: Decodable {
    let error: String
    let message: String
    let requestId: String
}

private struct APIError: Error {
    let status: Int
    let body: ErrorBody
}
