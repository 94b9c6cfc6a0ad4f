#!/usr/bin/env bash
# A software TPM for development and tests. It proves nothing about hardware.
#
#   scripts/tpm.sh provision DIR    make a TPM with an EK certificate, once; all of it lives under DIR
#   scripts/tpm.sh start DIR        run it in the foreground, on the Unix sockets DIR/data.socket and DIR/control.socket
#   scripts/tpm.sh start DIR PORT   the same on 127.0.0.1:PORT, with its control channel on PORT+1
#
# Each start is a TPM reset: PCRs are zero, so an application log from before has to go.
set -euo pipefail
umask 077

fail() {
    echo "tpm.sh: $*" >&2
    exit 1
}

need() {
    command -v "$1" >/dev/null || fail "$1 is not installed (on Debian: apt-get install $2)"
}

# The certificate authority of the EK certificate is made here too, instead of the system-wide one in /var/lib.
write_configuration() {
    local dir=$1
    cat >"$dir/swtpm_setup.conf" <<-EOF
		create_certs_tool = $(command -v swtpm_localca)
		create_certs_tool_config = $dir/swtpm-localca.conf
		create_certs_tool_options = $dir/swtpm-localca.options
	EOF
    cat >"$dir/swtpm-localca.conf" <<-EOF
		statedir = $dir/ca
		signingkey = $dir/ca/signkey.pem
		issuercert = $dir/ca/issuercert.pem
		certserial = $dir/ca/certserial
	EOF
    cat >"$dir/swtpm-localca.options" <<-EOF
		--platform-manufacturer BlindLlama
		--platform-version 1
		--platform-model swtpm
	EOF
}

provision() {
    local dir
    need swtpm_setup swtpm-tools
    need swtpm_localca swtpm-tools
    mkdir -p "$1"
    dir=$(realpath "$1")
    [[ $dir != *[[:space:]]* ]] || fail "swtpm_setup cannot read a configuration below a path with spaces: $dir"
    if [[ -d $dir/state ]]; then
        return
    fi
    # The state gets its name last, so that an interrupted run starts over.
    rm -rf "$dir/state.new" "$dir/ca"
    mkdir "$dir/state.new" "$dir/ca"
    write_configuration "$dir"
    swtpm_setup --tpm2 --tpmstate "$dir/state.new" --create-ek-cert --pcr-banks sha256 \
        --config "$dir/swtpm_setup.conf" >"$dir/provision.log" 2>&1 ||
        fail "swtpm_setup failed; the end of $dir/provision.log:"$'\n'"$(tail -n 5 "$dir/provision.log")"
    mv "$dir/state.new" "$dir/state"
}

start() {
    local dir=$1 port=${2-} data="unixio,path=$1/data.socket" control="unixio,path=$1/control.socket"
    need swtpm swtpm
    if (($# == 2)); then
        [[ $port =~ ^[0-9]+$ ]] && ((port > 0 && port < 65535)) || fail "PORT must be a number between 1 and 65534, not $port"
        data="tcp,bindaddr=127.0.0.1,port=$port" control="tcp,bindaddr=127.0.0.1,port=$((port + 1))"
    fi
    [[ -d $dir/state ]] || fail "there is no TPM in $dir: run scripts/tpm.sh provision $dir first"
    exec swtpm socket --tpm2 --tpmstate "dir=$dir/state" --flags not-need-init,startup-clear \
        --server "type=$data" --ctrl "type=$control"
}

case "${1-} $#" in
"provision 2") provision "$2" ;;
"start 2" | "start 3") start "${@:2}" ;;
*) fail "usage: scripts/tpm.sh provision DIR | start DIR [PORT]" ;;
esac
