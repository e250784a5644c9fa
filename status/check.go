package status

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podkeep/podkeep/live"
	"github.com/podkeep/podkeep/manifest"
)

// Level says how bad a finding is.
type Level string

// Levels. An unknown one is to be looked at by a person; only Bad fails a check.
const (
	Fine    Level = "fine"
	Unsure  Level = "unknown"
	Warning Level = "warning"
	Bad     Level = "error"
)

// Finding is one thing that was looked at before a fleet is trusted.
type Finding struct {
	Where string `json:"where"` // repository, or a node's name
	What  string `json:"what"`
	Level Level  `json:"level"`
	Text  string `json:"text"`
	Mend  string `json:"mend,omitempty"` // what to do about it
}

// Findings are a preflight's, in the order in which they were looked at.
type Findings []Finding

// Examined is what a node said, or why it did not.
type Examined struct {
	Node string
	live.Checkup
	Net   live.Net    // what its node side says, if it has one,
	Doors []live.Door // and what of its doors
	Err   error
}

// Worst is the gravest level.
func (f Findings) Worst() Level {
	for _, l := range []Level{Bad, Warning, Unsure} {
		if slices.ContainsFunc(f, func(x Finding) bool { return x.Level == l }) {
			return l
		}
	}
	return Fine
}

// CheckRepository judges what was read.
func CheckRepository(w World) (list Findings) {
	found := func(what string, l Level, text, mend string) {
		list = append(list, Finding{"repository", what, l, text, mend})
	}
	r := Of(w)
	switch {
	case w.History.Err == "":
		found("reach", Fine, fmt.Sprintf("%s answers", r.Source), "")
	case ofManifests(w.History):
		found("nodes", Bad, w.History.Err, "mend the file: until then no node is looked at")
	default:
		found("reach", Bad, w.History.Err, "check the URL, the network and the credentials; docs/commands/README.md lists the variables")
	}
	if r.Head.Commit == "" {
		return list
	}
	age := "was never fetched"
	if !r.Fetched.IsZero() {
		age = "fetched " + Age(r.Now.Sub(r.Fetched)) + " ago"
	}
	found("head", Fine, "at "+r.commit()+", "+age, "")
	switch n := len(r.Problems); {
	case n > 0:
		found("manifests", Bad, plural(n, "problem")+", the first "+r.Problems[0].Error(), "podkeep plan lists all of them, with what to write instead")
	case len(r.Notices) > 0:
		found("manifests", Warning, plural(len(r.Notices), "field")+" without effect yet, the first "+r.Notices[0].Error(), "podkeep status -o wide lists them")
	case len(r.Head.Workloads) == 0:
		found("manifests", Warning, "nothing in them becomes pods", "is --path right?")
	default:
		found("manifests", Fine, plural(len(r.Head.Workloads), "workload")+" in "+plural(len(r.Head.Files), "file"), "")
	}
	return list
}

// ofManifests says whether the repository was read, and what is in it is why its Nodes are not known.
func ofManifests(h manifest.History) bool {
	ends := func(p manifest.Problem) bool { return strings.HasSuffix(h.Err, p.Error()) }
	hollow := h.Hollow()
	return slices.ContainsFunc(h.Head.Problems, ends) || hollow != nil && ends(*hollow)
}

// CheckNode judges what a node said. asked is what the workloads want of any node.
func CheckNode(up Examined, asked manifest.Set) Findings {
	if up.Err != nil {
		return Findings{{up.Node, "reach", Bad, up.Err.Error(), "see docs/kinds/node.md: the socket, the SSH key and known_hosts"}}
	}
	list := Findings{{up.Node, "reach", Fine, "answers", ""}}
	for _, check := range []func(live.Checkup, manifest.Set) Finding{
		podmanVersion, cgroups, runtimeOf, network, events, reboot, clockOf, storage, disk, subIDs, lowPorts, locks, healthChecks,
	} {
		f := check(up.Checkup, asked)
		f.Where = up.Node
		list = append(list, f)
	}
	return append(append(list, podNetwork(up)...), doorOf(up)...)
}

// CheckIdentity says since when a node that answered is the host that it is, and what was on another one of its name.
func CheckIdentity(w World, n live.Node) Finding {
	f := Finding{n.Name, "identity", Fine, "nothing there says which host it is; podkeep writes that down when it begins", ""}
	for _, file := range n.Files {
		if h, ok := live.ParseHost(file); ok && h.File == live.HostFile {
			f.Text = "written down " + Age(w.Now.Sub(h.Time)) + " ago"
		}
	}
	for _, c := range w.Plan.Claims {
		if c.Lost && c.Node == n.Name {
			f.Level, f.Text, f.Mend = Warning, f.Text+"; "+c.Why, "if there is a backup, restore the volume first: docs/hosts.md"
		}
	}
	if why := w.Plan.Held[n.Name]; why != "" {
		f.Level, f.Text, f.Mend = Bad, why, "docs/hosts.md says which of the two it is"
	}
	return f
}

// podNetwork is what a node side says of the pod network and Services on its host; where none is heard, nothing.
func podNetwork(up Examined) (list Findings) {
	const what = "pod network"
	for _, why := range up.Net.Troubles {
		list = append(list, Finding{up.Node, what, Warning, why, "see docs/security.md: what the node side needs of a host's network"})
	}
	switch {
	case up.Net.None != "":
		return append(list, Finding{up.Node, what, Warning, "there is none: " + up.Net.None, "use root's Podman where pods are to be reached by Services"})
	case len(list) == 0 && up.Net.Range.IsValid():
		return Findings{{up.Node, what, Fine, up.Net.Range.String(), ""}}
	}
	return list
}

// doorOf is what a node side says of the doors on its host; where it has none, nothing.
func doorOf(up Examined) (list Findings) {
	for _, d := range up.Doors {
		for _, why := range d.Troubles {
			list = append(list, Finding{up.Node, "door", Warning, inWords(why), "podkeep status says which Ingresses and Gateways that concerns"})
		}
		if len(d.Troubles) == 0 && !d.Leaving {
			list = append(list, Finding{up.Node, "door", Fine, "listens at " + portList(d.Ports, ", "), ""})
		}
	}
	return list
}

// release is a version as numbers: 4.3 is 403.
func release(version string) int {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 {
		return -1
	}
	major, err := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	if err != nil || err2 != nil {
		return -1
	}
	return major*100 + minor
}

// defects are what is known to be wrong with releases, from the first that has it to the first that has not.
var defects = []struct {
	from, to int
	text     string
	mend     string
}{
	{0, 404, "swaps the soft and the hard default_ulimits", "keep the two equal in containers.conf"},
	{0, 503, "shows secrets in the environment to everyone who may inspect containers", "mount them as files, or use 5.3 or later"},
	{500, 501, "answers inspections in a form that clients of 4.x cannot read", "use 5.1 or later"},
}

func podmanVersion(up live.Checkup, _ manifest.Set) Finding {
	f := Finding{What: "podman", Level: Fine, Text: strings.TrimSpace(up.Podman + " on " + up.OS + " " + up.Kernel)}
	v := release(up.Podman)
	if v < 0 {
		return Finding{What: "podman", Level: Unsure, Text: "version " + up.Podman + " is not understood", Mend: "check with podman version there"}
	}
	switch {
	case v < 403:
		f.Level, f.Mend = Bad, "install 4.3 or later"
		f.Text += ": older than what podkeep is tried with"
		return f
	case v >= 600:
		f.Level, f.Mend = Warning, "try it on a host that may fail, or use 4.3 to 5.8"
		f.Text += ": newer than what podkeep is tried with"
		return f
	}
	var mends []string
	for _, d := range defects {
		if v >= d.from && v < d.to {
			f.Level, f.Text = Warning, f.Text+"; "+d.text
			mends = append(mends, d.mend)
		}
	}
	f.Mend = strings.Join(mends, "; ")
	return f
}

func cgroups(up live.Checkup, asked manifest.Set) Finding {
	f := Finding{What: "cgroups", Level: Fine, Text: up.Cgroups}
	switch {
	case up.Cgroups == "":
		return Finding{What: "cgroups", Level: Unsure, Text: "unknown", Mend: "check with podman info there"}
	case up.Cgroups == "v1" && up.Rootless:
		f.Level, f.Text, f.Mend = Warning, "v1: without root's rights no limit takes effect", "boot with systemd.unified_cgroup_hierarchy=1"
		if who := limited(asked); who != "" {
			f.Text += ", and " + who + " has some"
		}
	case up.Cgroups == "v2" && up.Rootless:
		if missing := notHad(up.Controllers, "cpu", "memory"); len(missing) > 0 {
			f.Level, f.Text = Warning, "v2, but "+up.User+" has no "+strings.Join(missing, ", ")+": a container that is limited in it does not start, or is not held to it"
			f.Mend = "delegate the controller: Delegate=cpu cpuset io memory pids in user@.service.d"
		}
	case up.Cgroups == "v2" && !up.Rootless:
		f.Text = "v2: " + strings.Join(up.Controllers, ", ")
		if missing := notHad(up.Controllers, "cpu", "memory", "pids"); len(missing) > 0 {
			f.Level, f.Text = Warning, "v2, but without "+strings.Join(missing, ", ")+": a container that is limited in it does not start"
			f.Mend = "boot with cgroup_no_v1=all, if it is version 1 that has them"
			if slices.Contains(missing, "pids") {
				f.Level = Bad // Podman limits every container's processes
				f.Mend += "; until then pids_limit = 0 under [containers] in containers.conf lets those start that have no limits"
			}
		}
	case up.Cgroups == "v1" && release(up.Podman) >= 500:
		f.Text = "v1, on which Podman 6 does not run"
	}
	return f
}

// notHad are those of the wanted that are not had.
func notHad(had []string, wanted ...string) []string {
	return slices.DeleteFunc(wanted, func(w string) bool { return slices.Contains(had, w) })
}

func runtimeOf(up live.Checkup, _ manifest.Set) Finding {
	switch {
	case up.Runtime == "":
		return Finding{What: "runtime", Level: Unsure, Text: "unknown", Mend: "check with podman info there"}
	case up.Runtime == "crun" && up.Cgroups == "v1":
		return Finding{What: "runtime", Level: Warning, Text: "crun refuses cgroups that are half v1, half v2", Mend: `install runc and write runtime = "runc" under [engine] in containers.conf`}
	}
	if up.Runtime == "crun" && up.Runs != "" && release(up.Runs) < 109 && release(up.Podman) >= 508 {
		return Finding{What: "runtime", Level: Bad, Text: "crun " + up.Runs + " does not know what Podman " + up.Podman + " writes for it: no container starts", Mend: `install a newer crun, or runc and write runtime = "runc" under [engine] in containers.conf`}
	}
	return Finding{What: "runtime", Level: Fine, Text: strings.TrimSpace(up.Runtime + " " + up.Runs)}
}

func network(up live.Checkup, _ manifest.Set) Finding {
	switch up.Network {
	case "":
		return Finding{What: "network", Level: Unsure, Text: "unknown", Mend: "check with podman info there"}
	case "cni":
		return Finding{What: "network", Level: Warning, Text: "cni, which Podman 5 does not have any more", Mend: "install netavark and run podman system reset there, while the node is empty"}
	}
	if up.Netavark != "" && release(up.Netavark) < 200 && release(up.Podman) >= 600 {
		return Finding{What: "network", Level: Bad, Text: "netavark " + up.Netavark + " does not understand Podman " + up.Podman + ": no pod starts but on the host's network", Mend: "install netavark and aardvark-dns 2.0 or later"}
	}
	had := strings.TrimSpace(up.Network + " " + up.Netavark)
	switch {
	case !up.Rootless:
	case len(up.Outside) == 0:
		return Finding{What: "network", Level: Bad, Text: "no pod of this user's has one: neither slirp4netns nor pasta is there", Mend: "apt-get install slirp4netns, or passt for Podman 5"}
	case release(up.Podman) < 500 && strings.HasPrefix(up.Disk, "/var/lib/"):
		return Finding{What: "network", Level: Warning, Text: "Podman 4 hides /var/lib from its own networks, and this user's are there, below " + up.Disk, Mend: "mkdir -p /var/lib/cni there, as root: then it hides that alone; or move the user's home"}
	default:
		return Finding{What: "network", Level: Fine, Text: had + ", " + strings.Join(up.Outside, ", ")}
	}
	return Finding{What: "network", Level: Fine, Text: had}
}

func events(up live.Checkup, _ manifest.Set) Finding {
	if up.Events == "none" {
		return Finding{What: "events", Level: Warning, Text: "none: a change on the node is seen at the next look only", Mend: `write events_logger = "file" under [engine] in containers.conf`}
	}
	return Finding{What: "events", Level: Fine, Text: orDash(up.Events)}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// reboot wants the socket back, for a controller to start the pods, and what starts podkeep's node side, which does so where none comes.
func reboot(up live.Checkup, _ manifest.Set) Finding {
	systemctl := "systemctl "
	if up.Rootless {
		systemctl += "--user "
	}
	switch {
	case up.Socket == "":
		return Finding{What: "reboot", Level: Unsure, Text: "unknown whether Podman's socket starts with the host", Mend: "check with " + systemctl + "is-enabled podman.socket there"}
	case !strings.HasPrefix(up.Socket, "enabled") && up.Socket != "static":
		return Finding{What: "reboot", Level: Warning, Text: "podman.socket is " + up.Socket + ": nobody reaches Podman after a reboot", Mend: systemctl + "enable podman.socket"}
	case up.Rootless && up.Lingers == "no":
		return Finding{What: "reboot", Level: Warning, Text: up.User + "'s services end at logout and do not start with the host", Mend: "loginctl enable-linger " + up.User}
	}
	f := Finding{What: "reboot", Level: Fine, Text: "podman.socket is enabled, podman-restart.service is " + orUnknown(up.Restart)}
	if up.Restart != "" && !strings.HasPrefix(up.Restart, "enabled") {
		f.Level, f.Text = Warning, f.Text+": after a reboot the pods wait for a controller"
		f.Mend = systemctl + "enable podman-restart.service, which starts podkeep's node side, and that the pods"
	}
	return f
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

func clockOf(up live.Checkup, _ manifest.Set) Finding {
	if up.Skew == 0 {
		return Finding{What: "clock", Level: Fine, Text: "within 1.5s of ours"}
	}
	where := "ahead of"
	if up.Skew < 0 {
		where = "behind"
	}
	f := Finding{What: "clock", Level: Warning, Text: fmt.Sprintf("%s %s ours; podkeep corrects for it", up.Skew.Abs().Round(100*time.Millisecond), where), Mend: "let NTP set it: timedatectl set-ntp true"}
	if up.Skew.Abs() < 5*time.Second {
		f.Level, f.Mend = Fine, ""
	}
	return f
}

func storage(up live.Checkup, _ manifest.Set) Finding {
	if up.Storage == "vfs" {
		return Finding{What: "storage", Level: Warning, Text: "vfs, which copies the whole image for each layer and each container", Mend: "use overlay: Linux 5.13 or later, or fuse-overlayfs, then podman system reset there, while the node is empty"}
	}
	return Finding{What: "storage", Level: Fine, Text: orDash(up.Storage)}
}

// manyIDs is what images are made for: 65,536 ids with root's, which is the user's own.
const manyIDs = 1<<16 - 1

// subIDs judges how many ids a user may give to others in containers.
func subIDs(up live.Checkup, asked manifest.Set) Finding {
	f := Finding{What: "sub-ids", Mend: fmt.Sprintf("usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s there, of numbers that are free; then, as that user, podman system migrate", up.User)}
	highest, who := highestID(asked)
	has := min(up.SubUIDs, up.SubGIDs)
	switch {
	case !up.Rootless:
		return Finding{What: "sub-ids", Level: Fine, Text: "root has all"}
	case has < 0:
		return Finding{What: "sub-ids", Level: Unsure, Text: "unknown", Mend: "check with podman unshare cat /proc/self/uid_map there"}
	case highest > int64(has):
		f.Level, f.Text = Bad, fmt.Sprintf("%s asks for id %d, and %s has those up to %d", who, highest, up.User, has)
	case has < manyIDs:
		f.Level, f.Text = Warning, fmt.Sprintf("%s has %d: an image with a file of a higher id is not unpacked", up.User, has)
	default:
		return Finding{What: "sub-ids", Level: Fine, Text: fmt.Sprintf("%d", has)}
	}
	return f
}

// highestID is the highest user or group id that is asked for, 0 when there is none, and by whom.
func highestID(asked manifest.Set) (highest int64, who string) {
	for _, wl := range asked.Workloads {
		spec := wl.Revision.Spec
		var ids []*int64
		if sc := spec.SecurityContext; sc != nil {
			ids = append(ids, sc.RunAsUser, sc.RunAsGroup, sc.FSGroup)
			for i := range sc.SupplementalGroups {
				ids = append(ids, &sc.SupplementalGroups[i])
			}
		}
		for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
			if sc := c.SecurityContext; sc != nil {
				ids = append(ids, sc.RunAsUser, sc.RunAsGroup)
			}
		}
		for _, id := range ids {
			if id != nil && *id > highest {
				highest, who = *id, wl.ID.Short()
			}
		}
	}
	return highest, who
}

// Shares of a disk below which it is said to be filling, or full.
const (
	filling = 15 // percent free
	full    = 5
)

func disk(up live.Checkup, _ manifest.Set) Finding {
	if up.Size <= 0 {
		return Finding{What: "disk", Level: Unsure, Text: "unknown", Mend: "check with podman info there"}
	}
	share := int(up.Free * 100 / up.Size)
	f := Finding{What: "disk", Level: Fine, Text: fmt.Sprintf("%s of %s free (%d %%) at %s", size(up.Free), size(up.Size), share, up.Disk)}
	if share < filling {
		f.Level, f.Mend = Warning, "podman image prune there frees what no container uses"
	}
	if share < full {
		f.Level = Bad
	}
	return f
}

func size(bytes int64) string {
	if bytes < 1<<30 {
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
}

func lowPorts(up live.Checkup, asked manifest.Set) Finding {
	lowest, who := lowestPort(asked)
	switch {
	case !up.Rootless:
		return Finding{What: "low ports", Level: Fine, Text: "root may publish any"}
	case up.LowPort < 0:
		return Finding{What: "low ports", Level: Unsure, Text: "unknown from which on a user may publish them", Mend: "check with sysctl net.ipv4.ip_unprivileged_port_start there"}
	case lowest > 0 && lowest < up.LowPort:
		return Finding{What: "low ports", Level: Bad, Text: fmt.Sprintf("%s wants port %d, and %s may publish those from %d on", who, lowest, up.User, up.LowPort),
			Mend: fmt.Sprintf("sysctl net.ipv4.ip_unprivileged_port_start=%d", lowest)}
	}
	return Finding{What: "low ports", Level: Fine, Text: fmt.Sprintf("those from %d on may be published, and no lower one is asked for", up.LowPort)}
}

// lowestPort is the lowest host port that is asked for, 0 when there is none, and by whom.
func lowestPort(asked manifest.Set) (lowest int, who string) {
	for _, wl := range asked.Workloads {
		spec := wl.Revision.Spec
		for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
			for _, p := range c.Ports {
				if spec.HostNetwork {
					p.HostPort = p.ContainerPort
				}
				if n := int(p.HostPort); n > 0 && (lowest == 0 || n < lowest) {
					lowest, who = n, wl.ID.Short()
				}
			}
		}
	}
	return lowest, who
}

// Podman takes a lock for each pod, container and volume, and has 2,048 unless told otherwise.
const fewLocks = 200

func locks(up live.Checkup, _ manifest.Set) Finding {
	switch {
	case up.Locks < 0:
		return Finding{What: "locks", Level: Unsure, Text: "this Podman does not say how many are free; each pod takes two or more of 2048", Mend: "podman ps -aq there counts the containers"}
	case up.Locks < fewLocks:
		return Finding{What: "locks", Level: Warning, Text: fmt.Sprintf("%d free", up.Locks), Mend: "raise num_locks in containers.conf, then podman system renumber with all stopped"}
	}
	return Finding{What: "locks", Level: Fine, Text: fmt.Sprintf("%d free", up.Locks)}
}

// healthChecks are those of images, which nobody runs.
func healthChecks(up live.Checkup, asked manifest.Set) Finding {
	for _, wl := range asked.Workloads {
		for _, c := range wl.Revision.Spec.Containers {
			if c.LivenessProbe == nil && c.ReadinessProbe == nil && slices.Contains(up.Checked, c.Image) {
				return Finding{What: "health checks", Level: Warning, Text: fmt.Sprintf("%s: image %s has a HEALTHCHECK, which is not run", wl.ID.Short(), c.Image),
					Mend: "write a livenessProbe, which has the container started again, or a readinessProbe"}
			}
		}
	}
	return Finding{What: "health checks", Level: Fine, Text: "no image that is asked for relies on its own"}
}

var marksOf = map[Level]struct {
	mark  string
	paint Paint
}{Fine: {"✓", Green}, Unsure: {"?", Dim}, Warning: {"!", Yellow}, Bad: {"✗", Red}}

// Text writes a table: a mark, where, what, how it is, and below what is not fine what to do.
func (f Findings) Text(w io.Writer, look Look) {
	var rows [][]cell
	counts := map[Level]int{}
	for _, x := range f {
		counts[x.Level]++
		m := marksOf[x.Level]
		text := x.Text
		if x.Mend != "" {
			text += "\n→ " + x.Mend
		}
		row := plain(m.mark, x.Where, x.What, text)
		row[0].paint, row[3].paint = m.paint, ""
		if x.Level == Bad || x.Level == Warning {
			row[3].paint = m.paint
		}
		rows = append(rows, row)
	}
	look.table(w, []string{"", "WHERE", "WHAT", "FOUND"}, rows)
	line := "all is fine"
	if f.Worst() != Fine {
		var parts []string
		for _, l := range []Level{Bad, Warning} {
			if counts[l] > 0 {
				parts = append(parts, plural(counts[l], string(l)))
			}
		}
		if counts[Unsure] > 0 {
			parts = append(parts, fmt.Sprintf("%d unknown", counts[Unsure]))
		}
		line = strings.Join(parts, ", ")
	}
	_, _ = fmt.Fprintln(w)
	look.lines(w, "", line, Bold)
}
