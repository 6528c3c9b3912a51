//! What is too long or takes too long.

use super::*;

/// A.IF-08.
#[tokio::test]
async fn every_part_of_a_request_has_its_limit() {
    let long_path = send(request(Method::GET, &format!("/{}", "a".repeat(4096))).finish()).await;
    assert_eq!(long_path.response.status(), StatusCode::URI_TOO_LONG);

    let headers = send(request(Method::GET, "/notes/7").header("x-a", "a".repeat(16 * 1024)).finish()).await;
    assert_eq!(headers.response.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);

    let token = format!("Bearer {}", "a".repeat(8 * 1024));
    let authorization = send(request(Method::GET, "/notes/7").header("authorization", token).finish()).await;
    assert_eq!(authorization.response.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);

    let fits = send(request(Method::POST, "/echo").body(vec![b'a'; 64 * 1024])).await;
    assert_eq!((fits.response.status(), fits.body.len()), (StatusCode::OK, 64 * 1024));
    let too_large = send(request(Method::POST, "/echo").body(vec![b'a'; 64 * 1024 + 1])).await;
    assert_eq!(too_large.response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let form = send(request(Method::POST, "/oauth2/token").body(vec![b'a'; 16 * 1024 + 1])).await;
    assert_eq!(form.response.status(), StatusCode::PAYLOAD_TOO_LARGE);

    let nested = request(Method::POST, "/notes").content_type("application/json").body("[".repeat(1000));
    assert_eq!(send(nested).await.response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(send(request(Method::GET, "/notes/%00").finish()).await.response.status(), StatusCode::BAD_REQUEST);
}

/// A.IF-06.
#[tokio::test]
async fn a_body_without_end_is_cut_at_its_cap_and_one_without_progress_at_its_deadline() {
    let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'a'; 1024]));
    let answer = send(request(Method::POST, "/echo").body(Body::from_bytes_stream(endless))).await;
    assert_eq!(answer.response.status(), StatusCode::PAYLOAD_TOO_LARGE);

    let stalled = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let answer = send(request(Method::POST, "/echo").body(Body::from_bytes_stream(stalled))).await;
    assert_eq!(answer.response.status(), StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn a_handler_that_hangs_is_503() {
    let answer = send(request(Method::GET, "/slow").finish()).await;
    assert_eq!(answer.response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), Some("1"));
}
