package job

import (
	"encoding/json"
	"maps"
	"time"

	"github.com/podkeep/podkeep/manifest"
)

// tally is what has ended, so that it outlives the pods. It is written into a receipt.
type tally struct {
	Start    time.Time   `json:"start,omitzero"`      // when the first pod was made, or the last resume
	Ended    string      `json:"succeeded,omitempty"` // completions, "0-3,5"
	Lost     string      `json:"failed,omitempty"`    // indexes that were given up
	Failed   int         `json:"failures,omitempty"`  // attempts that failed and count
	Failures map[int]int `json:"of,omitempty"`        // the same for each completion that had any
	Tries    map[int]int `json:"next,omitempty"`      // the attempts below this one are counted

	ended, lost map[int]bool
}

func newTally() tally {
	return tally{Failures: map[int]int{}, Tries: map[int]int{}, ended: map[int]bool{}, lost: map[int]bool{}}
}

func (t tally) copy() tally {
	t.Failures, t.Tries = maps.Clone(t.Failures), maps.Clone(t.Tries)
	t.ended, t.lost = maps.Clone(t.ended), maps.Clone(t.lost)
	return t
}

// encode is the tally as its receipt carries it; empty when nothing has ended.
func (t tally) encode() string {
	t.Ended, t.Lost = manifest.FormatIndexes(t.ended), manifest.FormatIndexes(t.lost)
	if t.Ended == "" && len(t.Tries) == 0 {
		return ""
	}
	t.Start = t.Start.UTC()
	text, err := json.Marshal(t)
	if err != nil { // numbers and strings always encode
		return ""
	}
	return string(text)
}

// decode is encode's inverse. What cannot be read counts for nothing: at worst something is run again.
func decode(text string) tally {
	t := newTally()
	if text == "" || json.Unmarshal([]byte(text), &t) != nil {
		return newTally()
	}
	ended, err := manifest.ParseIndexes(t.Ended, never)
	lost, err2 := manifest.ParseIndexes(t.Lost, never)
	if err != nil || err2 != nil {
		return newTally()
	}
	t.ended, t.lost = ended, lost
	return t
}

// never is above every completion that a manifest may ask for.
const never = 1 << 17
