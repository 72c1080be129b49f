#!/usr/bin/env bash
# Makes what compose.yaml needs and must not be in the repository: the root key, the enrollment secret, the certificate
# of the stream between the planes and the database's password. Run it again at will: what exists stays.
#
# Back up secrets/root.key: without it no stored credential can be read again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
command -v openssl >/dev/null || { echo "prepare.sh needs openssl" >&2; exit 1; }

# Only the owner may enter the folder. The files in it are readable, because compose mounts each one by itself into
# containers that run as another user.
mkdir -p secrets
chmod 0700 secrets
umask 022

# keep FILE COMMAND…: writes the command's output to the file, unless the file exists.
keep() {
  local file=secrets/$1
  shift
  [ -s "$file" ] && return
  "$@" >"$file.partial"
  mv "$file.partial" "$file"
  echo "made $file"
}

keep root.key openssl rand -base64 32
keep enrollment openssl rand -hex 32
keep database_password openssl rand -hex 32

if [ ! -s secrets/grpc.crt ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }
  # The authority signs this one certificate; its key is not kept.
  new_key "$work/ca.key"
  openssl req -x509 -new -key "$work/ca.key" -sha256 -days 3650 -subj "/CN=warder compose authority" \
    -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign" -out "$work/ca.crt"
  new_key "$work/grpc.key"
  openssl req -new -key "$work/grpc.key" -subj "/CN=control-plane" -out "$work/grpc.csr"
  printf '%s\n' "subjectAltName=DNS:control-plane" "basicConstraints=critical,CA:FALSE" \
    "keyUsage=critical,digitalSignature" "extendedKeyUsage=serverAuth" >"$work/extensions"
  openssl x509 -req -in "$work/grpc.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -set_serial "0x$(openssl rand -hex 16)" \
    -sha256 -days 3650 -extfile "$work/extensions" -out "$work/grpc.crt" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
  install -m 0644 "$work/ca.crt" "$work/grpc.key" secrets/
  # Last: the file that says that all three are there.
  install -m 0644 "$work/grpc.crt" secrets/
  echo "made secrets/ca.crt secrets/grpc.key secrets/grpc.crt"
fi

# compose.yaml writes the password into the database URL.
if ! grep -qs '^WARDER_DATABASE_PASSWORD=' .env; then
  (umask 077 && printf 'WARDER_DATABASE_PASSWORD=%s\n' "$(cat secrets/database_password)" >>.env)
  echo "wrote the database's password to .env"
fi
