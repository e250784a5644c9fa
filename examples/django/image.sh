#!/bin/sh
# Writes the file system of an image: Python, Django, gunicorn and WhiteNoise from Debian's packages, and the app in app/.
#
#   sh examples/django/image.sh django.tar
#   podman import --change 'ENV PYTHONPATH=/app' django.tar localhost/django:v1
#
# It needs apt, dpkg and tar, and the package mirror that the machine is configured for. Nothing is installed here.
set -eu
out=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/debs" "$work/root"
chmod 755 "$work" "$work/debs"

# What the packages below need and Python in a container does not.
spare='^(perl|libperl|debconf|cdebconf|libdebian|libnewt|libslang|libtextwrap|dpkg|tar|install-info|gcc-|readline-common'
spare="$spare|libgdbm|libdb5|libpcre2|libselinux|libacl|libmd0|libzstd|libgssapi|libkrb5|libk5crypto|libkeyutils|libcom-err"
spare="$spare|libtirpc|libnsl|libreadline|libncursesw|libtinfo|mailcap|mime-support|python3-tk|libxml|libcap|libtasn|python3-distutils|python3-lib2to3)"
wanted='python3-django python3-gunicorn python3-whitenoise'

# shellcheck disable=SC2086
apt-cache show $wanted >/dev/null 2>&1 || apt-get update
# shellcheck disable=SC2086
apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances $wanted |
	grep -E '^[a-z0-9]' | sed 's/:.*//' | sort -u | grep -Ev "$spare" >"$work/names"
(cd "$work/debs" && xargs apt-get -qq -o APT::Sandbox::User=root download <"$work/names")

# One /usr, as Debian has it.
for dir in bin sbin lib lib64; do
	mkdir -p "$work/root/usr/$dir"
	ln -s "usr/$dir" "$work/root/$dir"
done
for deb in "$work"/debs/*.deb; do
	dpkg-deb --fsys-tarfile "$deb" | tar -C "$work/root" -x --keep-directory-symlink --no-same-owner \
		--exclude='./usr/share/doc*' --exclude='./usr/share/man*' --exclude='./usr/share/locale*' --exclude='./usr/share/lintian*' \
		--exclude='./usr/lib/python3*/test' --exclude='./usr/lib/python3*/idlelib' --exclude='./usr/lib/python3*/tkinter' \
		--exclude='./usr/lib/python3*/config-*' --exclude='./usr/lib/*/gconv' \
		--exclude='*/django/contrib/*/locale/[a-df-z]*' --exclude='*/django/conf/locale/[a-df-z]*' \
		--exclude='*/django/contrib/gis*' --exclude='./usr/share/zoneinfo/right' --exclude='./usr/share/zoneinfo/posix'
done

mkdir -p "$work/root/tmp" "$work/root/etc" "$work/root/data" "$work/root/proc" "$work/root/dev" "$work/root/sys"
chmod 1777 "$work/root/tmp"
echo 'root:x:0:0:root:/:/usr/bin/python3' >"$work/root/etc/passwd"
echo 'root:x:0:' >"$work/root/etc/group"
cp -r "$here/app" "$work/root/app"
find "$work/root" -name __pycache__ -prune -exec rm -rf {} +
tar -C "$work/root" --sort=name --owner=0 --group=0 --numeric-owner -cf "$out" .
