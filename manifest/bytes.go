package manifest

import "fmt"

// Bytes is content that may be secret. However it is printed or encoded, it shows as "…".
type Bytes []byte

// Format prints "…" for every verb.
func (Bytes) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("…")) }

// MarshalText gives "…", so that no JSON or YAML carries the content.
func (Bytes) MarshalText() ([]byte, error) { return []byte("…"), nil }
