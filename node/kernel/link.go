package kernel

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// link is a connection to nftables in the network namespace of the thread that opens it, for one table.
type link struct {
	*nftables.Conn
	raw   *netlink.Conn
	table *nftables.Table
	sets  map[string]*nftables.Set
}

// buffer is how much of a transaction, and of its answers, may be on its way; ten thousand Services are 3 MiB.
const buffer = 64 << 20

func open(table string) (*link, error) {
	l := &link{table: &nftables.Table{Name: table, Family: nftables.TableFamilyIPv4}}
	l.sets = setsOf(l.table)
	var err error
	l.Conn, err = nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error {
		l.raw = c
		return errors.Join(c.SetReadBuffer(buffer), c.SetWriteBuffer(buffer))
	}))
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (l *link) close() { _ = l.CloseLasting() }

// generation is a number that every change of any table makes one higher.
func (l *link) generation() (uint32, error) {
	answer, err := l.raw.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETGEN, Flags: netlink.Request},
		Data:   []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, 0},
	})
	if err != nil {
		return 0, err
	}
	if len(answer) != 1 || len(answer[0].Data) < 4 {
		return 0, errors.New("nftables: no generation in the answer")
	}
	attributes, err := netlink.NewAttributeDecoder(answer[0].Data[4:])
	if err != nil {
		return 0, err
	}
	attributes.ByteOrder = binary.BigEndian
	for attributes.Next() {
		if attributes.Type() == unix.NFTA_GEN_ID {
			return attributes.Uint32(), nil
		}
	}
	return 0, errors.Join(errors.New("nftables: no generation in the answer"), attributes.Err())
}

// late is longer than a packet takes through the rules, but for the rarest.
const late = time.Millisecond

// await returns when packets that were on their way are through. Thoroughly, the kernel says so, which takes it 10 to 20 ms.
func await(thorough bool) {
	const global = 1 // MEMBARRIER_CMD_GLOBAL waits for all who read what is being replaced
	if thorough {
		if _, _, failed := unix.Syscall(unix.SYS_MEMBARRIER, global, 0, 0); failed == 0 {
			return
		}
	}
	time.Sleep(late)
}
