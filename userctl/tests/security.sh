#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Who can do what (Documentation/security.rst), as TAP. Runs as root where a hypervisor is:
#	VMCTL=/vmctl GUESTS=/guests RULES=/70-vmm.rules SANDBOX=/test_sandbox sh security.sh
# shellcheck disable=SC2034,SC2154 # variables are those of lib.sh
. "$(dirname "$0")/lib.sh"
export VMM_RUN="$tmp/run" XDG_CONFIG_HOME="$tmp/home"
node=${VMM_DEV:-/dev/vmm}
nobody=65534
umask 022
chmod 755 "$tmp"

# nested NAME COMMAND...: each case of another program's TAP is one here.
nested() {
	prefix=$1
	shift
	timeout 600 "$@" >"$tmp/out" 2>&1 </dev/null
	grep -e '^ok ' -e '^not ok ' "$tmp/out" >"$tmp/cases"
	[ "$(sed -n 's/^1\.\.//p' "$tmp/out")" = "$(wc -l <"$tmp/cases")" ] ||
		echo "not ok 0 - it does not come to its end" >>"$tmp/cases"
	grep '^#' "$tmp/out"
	while read -r line; do
		n=$((n + 1))
		echo "$line" | sed "s/^\(.*ok\) [0-9]* - /\1 $n - $prefix: /"
	done <"$tmp/cases"
}

# ---- the device: those in the group of the udev rule
group=$(sed -n 's/.*GROUP="\([a-z]*\)".*/\1/p' "$RULES")
mode=$(sed -n 's/.*MODE="\([0-7]*\)".*/\1/p' "$RULES")
gid=$(sed -n "s/^$group:[^:]*:\([0-9]*\):.*/\1/p" /etc/group)
chgrp "$group" "$node" && chmod "$mode" "$node"
ends "who is in the rule's group runs VMs" 0 "^multiboot" \
	"$GUESTS/as-nobody" -g "$gid" "$VMCTL" run --kernel "$mb" --append off
ends "who is not does not" 77 "join the group \"$group\"" \
	"$GUESTS/as-nobody" "$VMCTL" run --kernel "$mb" --append off
chmod 666 "$node"

# ---- what a process that is taken over can do: nothing
nested "root" "$SANDBOX"
nested "nobody" "$GUESTS/as-nobody" "$SANDBOX"

# ---- the processes of VMs
# thread_is FILE LINE...: of /proc/PID/task/TID/status
thread_is() {
	file=$1
	shift
	for line; do
		tr '\t' ' ' <"$file" | grep -qx "$line" || {
			echo "$file: no $line"
			tr '\t' ' ' <"$file" | grep "^${line%%:*}:"
		}
	done
}

# confined NAME UID: all threads of a VM's process.
confined() {
	id=$(field "$1" pid)
	for task in /proc/"$id"/task/*; do
		thread_is "$task/status" "NoNewPrivs: 1" "Seccomp: 2" \
			"Cap[E]ff: 0000000000000000" "Cap[P]rm: 0000000000000000" \
			"Cap[I]nh: 0000000000000000" "Cap[A]mb: 0000000000000000" \
			"Uid: $2 $2 $2 $2"
	done >"$tmp/out"
	has_threads "$1" || echo "threads are missing" >>"$tmp/out"
	[ -z "$(ls -A "/proc/$id/root/" 2>&1)" ] || echo "it sees files" >>"$tmp/out"
	for space in mnt net ipc uts; do
		[ "$(readlink "/proc/$id/ns/$space")" != "$(readlink "/proc/self/ns/$space")" ] ||
			echo "it shares the namespace $space"
	done >>"$tmp/out"
	for fd in /proc/"$id"/fd/*; do
		[ ! -d "$fd" ] || echo "it has a folder open: $(readlink "$fd")"
	done >>"$tmp/out"
	[ ! -s "$tmp/out" ]
}

# has_threads VM: at least main, a vCPU and the console's.
has_threads() {
	[ "$(find "/proc/$(field "$1" pid)/task" -maxdepth 1 | wc -l)" -ge 4 ]
}

# is_confined NAME VM UID: as soon as it runs.
is_confined() {
	await has_threads "$2"
	: >"$tmp/want"
	want=0 got=0
	confined "$2" "$3" || got=1
	verdict "$1"
}

ends "a VM of root's" 0 "" "$VMCTL" start own --kernel "$GUESTS/pvh.elf" --memory 4M --append hang
is_confined "root without a capability, a network or a file" own 0
head -c 1048576 /dev/zero >"$tmp/disk"
chmod 600 "$tmp/disk"
ends "another one, of another user" 0 "" "$VMCTL" start other --kernel "$GUESTS/pvh.elf" \
	--memory 4M --append hang --user nobody --disk "$tmp/disk" --cpu-limit 50 \
	--port "p=$tmp/port"
is_confined "which that user is, and nobody else" other $nobody
ends "whose it is" 0 "^owner .*$nobody\|^owner .*nobody" "$VMCTL" show other
thread_is "/proc/$(field other pid)/status" "Groups: *" "Gid: $nobody $nobody $nobody $nobody" \
	>"$tmp/out"
: >"$tmp/want"
got=$(wc -l <"$tmp/out") want=0
verdict "without other groups"
thread_is "/proc/$(field other pid)/status" "Cap[B]nd: 0000000000000000" >"$tmp/out"
got=$(wc -l <"$tmp/out") want=0
verdict "nor a capability to come"

# ---- and yet it works
first=$(field other id)
ends "it is reset" 0 "" "$VMCTL" reset other
another() {
	now=$(field other id)
	[ -n "$now" ] && [ "$now" != "$first" ]
}
holds "and comes up again with files that only root can open" another
is_confined "as confined as before" other $nobody
ends "with its limit" 0 "at most 50%" "$VMCTL" show other
ends "a larger disk, which only root can open" 0 "" "$VMCTL" set other --disk 0=2M
holds "has grown" test "$(stat -c %s "$tmp/disk")" = 2097152
ends "another name" 0 "" "$VMCTL" rename other web
holds "its socket has it, in a folder that only root can write" test -S "$tmp/run/web.sock"
ends "but not another one's" 1 "another VM has the socket\|own" "$VMCTL" rename web own
ends "it still has its own" 0 "^vmctl_exits" "$VMCTL" stats web
holds "its port is there" test -S "$tmp/port"
ends "stop" 0 "" "$VMCTL" stop web --force --timeout 0
holds "its sockets are not" test ! -e "$tmp/run/web.sock" -a ! -e "$tmp/port"
keepers() {
	[ "$(cat /proc/[0-9]*/comm 2>/dev/null | grep -cx vmctl-keeper)" = "$1" ]
}
holds "nor its keeper" keepers 1
ends "no user that is none" 64 "user no-such-one: there is none" \
	"$VMCTL" run --kernel "$mb" --append off --user no-such-one
ends "nobody becomes another" 77 "user root: only root can" \
	"$GUESTS/as-nobody" "$VMCTL" run --kernel "$mb" --append off --user root

# ---- without a sandbox
ends "no sandbox, when asked for" 0 "" "$VMCTL" start bare --kernel "$GUESTS/pvh.elf" --memory 4M \
	--append hang --no-sandbox
thread_is "/proc/$(field bare pid)/status" "Seccomp: 0" "NoNewPrivs: 0" >"$tmp/out"
: >"$tmp/want"
got=$(wc -l <"$tmp/out") want=0
verdict "is none"
ends "stop of that one" 0 "" "$VMCTL" stop bare --force --timeout 0

# ---- other users: neither see nor touch
id=$(field own id)
ends "others see no VM" 0 "^ID" "$GUESTS/as-nobody" "$VMCTL" list
! grep -q own "$tmp/out"
got=$? want=0
: >"$tmp/want"
verdict "none at all"
for verb in show pause resume reset kill stats; do
	ends "others do not $verb it" 1 "no VM" "$GUESTS/as-nobody" "$VMCTL" $verb "$id"
done
ends "nor give it another name" 1 "no VM" "$GUESTS/as-nobody" "$VMCTL" rename "$id" mine
ends "nor limit it" 1 "no VM" "$GUESTS/as-nobody" "$VMCTL" set "$id" --cpu-limit 1
ends "nor hear of it" 77 "CAP_SYS_ADMIN" "$GUESTS/as-nobody" "$VMCTL" events
ends "nor reach its socket" 1 "Permission denied" \
	"$GUESTS/as-nobody" "$GUESTS/say" "$tmp/run/own.sock" '{"cmd":"quit"}'
chmod 755 "$tmp/run"
chmod 666 "$tmp/run/own.sock"
ends "nor speak to it, were it open" 0 "the VM is another user's" \
	"$GUESTS/as-nobody" "$GUESTS/say" "$tmp/run/own.sock" '{"cmd":"quit"}'
ends "it goes on" 0 "running" "$VMCTL" show own

# ---- a folder that others can write is no place for sockets
chmod 777 "$tmp/run"
ends "a folder that others can write" 77 "only its user" "$VMCTL" start more \
	--kernel "$GUESTS/pvh.elf" --memory 4M --append hang
chmod 700 "$tmp/run"
ends "the end" 0 "" "$VMCTL" stop own --force --timeout 0
holds "no keeper is left" keepers 0
echo "1..$n"
