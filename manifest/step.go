package manifest

import "strconv"

// String is the step as people say it: "setWeight 20", "pause 10m0s", "pause".
func (s Step) String() string {
	switch {
	case s.Weight != nil:
		return "setWeight " + strconv.Itoa(*s.Weight)
	case s.Pause != nil && s.Pause.Ends:
		return "pause " + s.Pause.Duration.String()
	}
	return "pause"
}
