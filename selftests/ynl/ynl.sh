#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The netlink family by the kernel's own tool and vmm.yaml, as TAP, where a hypervisor is:
#	VMCTL=/vmctl GUESTS=/guests VMM_DEV=/dev/vmm sh ynl.sh
# shellcheck disable=SC2034,SC2154 # variables are those of lib.sh
. "$(dirname "$0")/lib.sh"

ynl="python3 /ynl/cli.py --spec /vmm.yaml --no-schema --output-json"

# asks NAME STATUS PATTERNS ARGUMENT...
asks() {
	title=$1 want=$2 patterns=$3
	shift 3
	# shellcheck disable=SC2086 # words
	ends "$title" "$want" "$patterns" $ynl "$@"
}

seen() {
	"$VMCTL" show "$1" 2>/dev/null | grep -q "^state  *$2"
}

start --name one --cpus 2 --memory 8M --kernel "$mb" --append hang
first=$pid
await seen one running
id=$(field one id)
start --name other --memory 8M --kernel "$mb" --append hang
other=$pid
await seen other running

asks "all VMs" 0 '"name": "one", .*"state": "running", "vcpus": 2, "memory": 8388608
"name": "other"' --dump vm-get
asks "one of them" 0 "^{\"id\": $id, .*\"name\": \"one\", .*\"pid\": $first," \
	--do vm-get --json "{\"id\": $id}"
asks "its vCPUs" 0 "^\[{\"vm\": $id, \"id\": 0, .*{\"vm\": $id, \"id\": 1, [^]]*\]\$" \
	--dump vcpu-get --json "{\"vm\": $id}"
asks "no such VM" 1 "No such file" --do vm-get --json '{"id": 999999}'
asks "a name that is none" 1 "Invalid argument" \
	--do vm-set --json "{\"id\": $id, \"name\": \"-\"}"
asks "a name and a limit" 0 "" --do vm-set --json "{\"id\": $id, \"name\": \"two\"}"
asks "a limit" 0 "" --do vm-set --json "{\"id\": $id, \"cpu-limit\": 50}"
asks "both are there" 0 '"name": "two", .*"cpu-limit": 50' --do vm-get --json "{\"id\": $id}"
asks "pause" 0 "" --do vm-pause --json "{\"id\": $id}"
holds "it is paused" seen two paused
asks "resume" 0 "" --do vm-resume --json "{\"id\": $id}"
holds "it runs" seen two running

# What happens while the tool sleeps is what it tells of then.
: >"$tmp/events"
$ynl --subscribe events --sleep 120 >"$tmp/events" 2>&1 &
subscriber=$!
listening() {
	awk -v pid=$subscriber '$2 == 16 && $3 == pid && $4 != "00000000" { found = 1 }
		END { exit !found }' /proc/net/netlink
}
await listening
asks "kill" 0 "" --do vm-kill --json "{\"id\": $id}"
holds "it is gone" sh -c "! kill -0 $first 2>/dev/null"
wait $subscriber
told() {
	tr '}' '\n' <"$tmp/events" | grep "\"kind\": \"$1\"" | grep -q "\"vm\": $id,"
}
holds "the event: killed" told killed
holds "the event: destroyed" told destroyed
sed 's/^/# /' "$tmp/events" | cut -c 1-600
kill $other
echo "1..$n"
