use super::*;

fn request(body: &str) -> (String, Method, Option<String>) {
    let message = parse(body.as_bytes()).expect("a message");
    match message.kind {
        Kind::Request {
            id,
            method: Ok(method),
        } => (
            id.to_owned(),
            method,
            message.params.name.map(Cow::into_owned),
        ),
        other => panic!("{other:?}"),
    }
}

fn refused(body: &str) -> Malformed {
    parse(body.as_bytes()).expect_err(body)
}

#[test]
fn what_decides_is_read_after_unescaping() {
    let call = r#"{"jsonrpc":"2.0","id":7,"m\u0065thod":"tools\/call","params":{"n\u0061me":"ec\u0068o","arguments":{"a":[1,2.50,{"b":null}]}}}"#;
    assert_eq!(
        request(call),
        ("7".into(), Method::ToolsCall, Some("echo".into()))
    );
    let listen = r#"{"jsonrpc":"2.0","id":"listen:0","method":"subscriptions/listen"}"#;
    assert_eq!(
        request(listen),
        ("\"listen:0\"".into(), Method::Listen, None)
    );
    let modern = r#"{"jsonrpc":"2.0","id":0,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","x":{"y":1}}}}"#;
    assert_eq!(
        parse(modern.as_bytes())
            .expect("a message")
            .params
            .revision
            .as_deref(),
        Some("2026-07-28")
    );
}

#[test]
fn responses_and_notifications_are_told_from_requests() {
    fn kind(body: &str) -> Kind<'_> {
        parse(body.as_bytes()).expect(body).kind
    }
    assert!(matches!(
        kind(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#),
        Kind::Response
    ));
    assert!(matches!(
        kind(r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#),
        Kind::Response
    ));
    assert!(matches!(
        kind(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#),
        Kind::Notification {
            method: Ok(Method::Initialized)
        }
    ));
    assert!(matches!(
        kind(r#"{"jsonrpc":"2.0","id":1,"method":"tools/steal"}"#),
        Kind::Request { method: Err(_), .. }
    ));
}

#[test]
fn t12_a_batch_is_refused() {
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for batch in [
        "[]".to_owned(),
        format!("[{call}]"),
        format!("[{call},{call}]"),
        format!(" [ {call} ] "),
    ] {
        assert_eq!(refused(&batch), Malformed::NotAMessage);
    }
    assert_eq!(refused(&format!("[{call},")), Malformed::NotJson);
    assert_eq!(refused(&format!("{call}{call}")), Malformed::NotJson);
}

#[test]
fn t13_a_member_twice_is_refused_wherever_it_stands() {
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"},"params":{"name":"b"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","n\u0061me":"b"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"x":1,"x":2}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","_meta":{"x":{"y":1,"y":2}}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","type":"ref/resource"}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}"#,
    ] {
        assert_eq!(refused(body), Malformed::NotAMessage, "{body}");
    }
}

#[test]
fn t14_a_member_in_another_spelling_is_refused() {
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","PARAMS":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","paramſ":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","Name":"b"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","ｎame":"b"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","Arguments":{}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","tasK":{}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_Meta":{}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"meta":{}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","request_state":"b"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"io.modelcontextprotocol/ProtocolVersion":"2026-07-28"}}}"#,
    ] {
        assert_eq!(refused(body), Malformed::NotAMessage, "{body}");
    }
    let own = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"Name":1,"name":2}}}"#;
    assert!(
        parse(own.as_bytes()).is_ok(),
        "a tool's own arguments are the tool's business"
    );
}

#[test]
fn t16_a_request_without_id_and_a_notification_with_one_are_refused() {
    for body in [
        r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"a"}}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"a"}}"#,
        r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1e3,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":9007199254740992,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":-9007199254740992,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":-0,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":"\ud800","method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":7}}"#,
        r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
        r#"{"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":null}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
        r#"{"jsonrpc":"2.0","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{}"#,
        r#""ping""#,
        r#"null"#,
    ] {
        assert_eq!(refused(body), Malformed::NotAMessage, "{body}");
    }
}

#[test]
fn t15_a_name_that_is_no_string_is_refused() {
    for name in ["7", "null", "[\"a\"]", "{\"a\":1}", "true"] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{name}}}}}"#
        );
        assert_eq!(refused(&body), Malformed::NotAMessage, "{body}");
    }
}

#[test]
fn t19_other_encodings_are_not_json() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let utf16: Vec<u8> = body.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(parse(&utf16).expect_err("UTF-16"), Malformed::NotJson);
    assert_eq!(
        parse(format!("\u{feff}{body}").as_bytes()).expect_err("BOM"),
        Malformed::NotJson
    );
    assert_eq!(
        parse(b"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"ping\"}").expect_err("Latin-1"),
        Malformed::NotJson
    );
}
