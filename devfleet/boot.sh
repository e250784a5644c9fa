# Makes the namespaces it is started in a machine of its own, then becomes that machine's init.
# Arguments: the node's directory and name, which Podman it has, if not this machine's, and the uid of its user if that Podman is a user's own.
set -e
dir=$1 uid=$4
mount --make-rprivate /
mount -t proc proc /proc
resolv=$(readlink -f /etc/resolv.conf || true)
servers=$(cat /etc/resolv.conf 2>/dev/null || true)
mount -t tmpfs -o mode=755 tmpfs /run
case $resolv in /run/*) mkdir -p "${resolv%/*}"; echo "$servers" >"$resolv" ;; esac
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mkdir -p /run/sshd /run/netns /run/lock
mount --bind "$dir/etc/containers" /etc/containers
mount --bind "$dir/etc/shadow" /etc/shadow
[ -z "$3" ] || mount --bind "$3" "$(command -v podman)"
# Podman asks for packages' names in each /info, at a quarter of a second of CPU for each of three; hosts without dpkg say Unknown.
[ ! -e /usr/bin/dpkg-query ] || mount --bind /bin/false /usr/bin/dpkg-query
echo "$2" >/proc/sys/kernel/hostname
echo 1 >/proc/sys/net/ipv4/ip_forward
if [ -z "$uid" ]; then
	mkdir /run/podman
	mount --bind "$dir" /run/podman
	rm -f "$dir/podman.sock"
else
	for file in passwd group subuid subgid; do mount --bind "$dir/etc/$file" "/etc/$file"; done
	mkdir -p "/run/user/$uid/podman"
	chown "$uid:$uid" "/run/user/$uid"
	chmod 700 "/run/user/$uid"
	mount --bind "$dir/run" "/run/user/$uid/podman"
	mount --bind "$dir/home" /home
	mount --bind "$dir/storage" /home/keeper/.local/share/containers/storage
	rm -f "$dir/run/podman.sock"
	for device in net/tun:200 fuse:229; do
		name=${device%:*}
		[ -e "/dev/$name" ] || continue
		mknod -m 666 "/run/${name#*/}" c 10 "${device#*:}"
		mount --bind "/run/${name#*/}" "/dev/$name"
	done
	mount --make-rshared /
fi
exec catatonit -P
