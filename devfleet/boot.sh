# Makes the namespaces it is started in a machine of its own, then becomes that machine's init.
# Arguments: the node's directory and name, and which Podman it has, if not this machine's.
set -e
dir=$1
mount --make-rprivate /
mount -t proc proc /proc
resolv=$(readlink -f /etc/resolv.conf || true)
servers=$(cat /etc/resolv.conf 2>/dev/null || true)
mount -t tmpfs -o mode=755 tmpfs /run
case $resolv in /run/*) mkdir -p "${resolv%/*}"; echo "$servers" >"$resolv" ;; esac
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mkdir -p /run/podman /run/sshd /run/netns /run/lock
mount --bind "$dir" /run/podman
mount --bind "$dir/etc/containers" /etc/containers
mount --bind "$dir/etc/shadow" /etc/shadow
[ -z "$3" ] || mount --bind "$3" "$(command -v podman)"
echo "$2" >/proc/sys/kernel/hostname
echo 1 >/proc/sys/net/ipv4/ip_forward
rm -f "$dir/podman.sock"
exec catatonit -P
