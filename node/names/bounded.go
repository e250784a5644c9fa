package names

import "time"

// What is open or waits at a time, so that no pod can use up what the host's other business needs; and how much of it one asker may have, so
// that none can use up what the others need.
const (
	mostConns  = 512
	mostAbroad = 1024            // queries that wait for resolvers
	share      = 4               // of which one asker has this part at most
	quiet      = 2 * time.Second // in which a client has to ask, and to take the answer
)
