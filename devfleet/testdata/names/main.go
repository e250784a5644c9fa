// Names looks names up with Go's resolver, as `names TYPE NAME ..`, and says of each in a line what it found, sorted.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
)

func main() {
	for pair := range slices.Chunk(os.Args[1:], 2) {
		found, err := look(context.Background(), pair[0], pair[1])
		if none := (*net.DNSError)(nil); errors.As(err, &none) && none.IsNotFound {
			found = []string{"absent"}
		} else if err != nil {
			found = []string{err.Error()}
		}
		slices.Sort(found)
		fmt.Println(pair[0], pair[1], strings.Join(found, " "))
	}
}

func look(ctx context.Context, kind, name string) (found []string, err error) {
	r := &net.Resolver{PreferGo: true}
	switch kind {
	case "A":
		return r.LookupHost(ctx, name)
	case "TXT":
		return r.LookupTXT(ctx, name)
	case "PTR":
		return r.LookupAddr(ctx, name)
	case "SRV":
		_, all, err := r.LookupSRV(ctx, "", "", name)
		for _, s := range all {
			found = append(found, fmt.Sprintf("%s:%d", s.Target, s.Port))
		}
		return found, err
	}
	return nil, errors.New(kind + ": no type")
}
