#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Run the tests in OUTPUT/tests and say how they went. Usage: run.sh OUTPUT [test...]
out=$1
shift
here=$(dirname "$0")
log=$out/tests/log
pass=0 fail=0 skip=0

[ $# -gt 0 ] || set -- "$out"/tests/test_*
for t; do
	case $t in
	*.o | *.d) continue ;;
	esac
	echo "# $t"
	timeout 600 "$t" >"$log" 2>&1
	status=$?
	cat "$log"
	pass=$((pass + $(grep '^ok' "$log" | grep -vc '# SKIP')))
	skip=$((skip + $(grep -c '^ok.*# SKIP' "$log")))
	bad=$(grep -c '^not ok' "$log")
	plan=$(sed -n 's/^1\.\.//p' "$log")
	# A test that died, or did not report all it planned, has failed at least once.
	if [ "$bad" -eq 0 ]; then
		[ "$status" -eq 0 ] && [ "$(grep -c '^ok' "$log")" = "$plan" ] || bad=1
	fi
	fail=$((fail + bad))
done
VMCTL=$out/vmctl sh "$here/cli.sh" >"$log" 2>&1
cat "$log"
pass=$((pass + $(grep '^ok' "$log" | grep -vc '# SKIP')))
skip=$((skip + $(grep -c '^ok.*# SKIP' "$log")))
fail=$((fail + $(grep -c '^not ok' "$log")))
grep -q '^1\.\.' "$log" || fail=$((fail + 1))
echo "$pass passed, $fail failed, $skip skipped"
[ "$fail" -eq 0 ] && [ "$pass" -gt 0 ]
