#!/bin/sh
# Runs a command where cgroups are version 2 alone, whatever the machine has: in a group of its own that it sees as the whole, since
# Podman moves all that is in the root group into another.
set -eu
inner='umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"'
outer='
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
own=/sys/fs/cgroup/podkeep-v2-$$
mkdir $own
echo $$ >$own/cgroup.procs
inner=$1; shift
status=0
unshare --cgroup --mount sh -c "$inner" v2 "$@" || status=$?
echo $$ >/sys/fs/cgroup/cgroup.procs
for try in $(seq 50); do # what the command left behind may take a moment to end
	find $own -depth -type d -exec rmdir {} + 2>/dev/null && break
	sleep 0.1
done
exit $status'
exec unshare --mount sh -eu -c "$outer" v2 "$inner" "$@"
