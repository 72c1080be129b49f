//! What `warder dev` says once everything is ready.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde::Serialize;

/// Everything that a client or a test needs to know.
#[derive(Serialize)]
pub(super) struct Summary {
    pub(super) control_plane_url: String,
    pub(super) gateway_url: String,
    pub(super) grpc_url: String,
    pub(super) admin_email: String,
    pub(super) admin_token: String,
    pub(super) admin_token_file: PathBuf,
    pub(super) sign_in_url: String,
    /// What the administrator signs in with, unless they have changed it.
    pub(super) admin_password: String,
    pub(super) admin_password_file: PathBuf,
    /// Name of the demo server, if there is one.
    pub(super) demo_server: Option<String>,
    pub(super) demo_server_url: Option<String>,
    pub(super) pids: Pids,
}

/// The processes.
#[derive(Serialize)]
pub(super) struct Pids {
    pub(super) warder: u32,
}

impl Summary {
    /// Writes it for programs, whole or not at all, readable by the owner only.
    pub(super) fn write_to(&self, path: &Path) -> io::Result<()> {
        let partial = path.with_extension("partial");
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&partial)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        fs::rename(&partial, path)
    }

    /// Prints it for people.
    pub(super) fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(
            out,
            "\nWarder is ready. Ctrl-C ends it; the next start finds everything again.\n"
        )?;
        writeln!(out, "  gateway        {}", self.gateway_url)?;
        writeln!(
            out,
            "  REST API       {}/api/v1 (described in /api/v1/openapi.json)",
            self.control_plane_url
        )?;
        writeln!(out, "  administrator  {}", self.admin_email)?;
        writeln!(out, "  sign in        {}", self.sign_in_url)?;
        writeln!(out, "  password       {}", self.admin_password)?;
        writeln!(
            out,
            "                 (kept in {}, as it was at the first start)",
            self.admin_password_file.display()
        )?;
        writeln!(out, "  token          {}", self.admin_token)?;
        writeln!(
            out,
            "                 (kept in {})",
            self.admin_token_file.display()
        )?;
        let Some(server) = &self.demo_server else {
            return writeln!(
                out,
                "\nRegister an MCP server with PUT {}/api/v1/mcp-servers/NAME; see the README.\n",
                self.control_plane_url
            );
        };
        let url = format!("{}/mcp/{server}/server", self.gateway_url);
        let token = self.admin_token_file.display();
        writeln!(out, "\nCall a tool, with nothing but curl:\n")?;
        writeln!(
            out,
            r#"curl -s {url} \
  -H "Authorization: Bearer $(cat '{token}')" \
  -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \
  -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/call' -H 'Mcp-Name: echo' \
  -d '{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"hello"}},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}'"#
        )?;
        writeln!(out, "\nThe same with Python (pip install fastmcp):\n")?;
        writeln!(
            out,
            r#"import asyncio
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

token = open("{token}").read().strip()
transport = StreamableHttpTransport("{url}", headers={{"Authorization": f"Bearer {{token}}"}})

async def main():
    async with Client(transport) as client:
        print([tool.name for tool in await client.list_tools()])
        print(await client.call_tool("echo", {{"text": "hello"}}))

asyncio.run(main())
"#
        )
    }
}
