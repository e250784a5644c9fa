package keyring

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tg123/go-htpasswd"
)

// Bounds on passwords: a hash may take a second to check, and guesses are many. As many are checked at a time, and so many that were right are remembered,
// by a digest that nobody can check guesses against.
const (
	mostChecks     = 2
	mostRemembered = 10_000
	mostCost       = 14               // of bcrypt: a second or so
	mostRounds     = 1_000_000        // of SHA: the same
	longestCheck   = 10 * time.Second // to wait for a turn; then the answer is no
)

// users are the lists of who may come in.
type users struct {
	turns chan struct{}
	key   []byte

	mu    sync.Mutex
	lists map[string]*list // by name
	right map[[sha256.Size]byte]bool
}

// list is one, as it was parsed.
type list struct {
	text []byte
	file *htpasswd.File
	bad  bool   // a line of it is not understood, or a password stands in it as it is
	some string // one who is there: what somebody unknown says is checked as if it were his, so that time does not tell who is known
}

func newUsers() *users {
	u := &users{turns: make(chan struct{}, mostChecks), key: make([]byte, sha256.Size)}
	_, _ = rand.Read(u.key)
	return u
}

// hashes are those that are understood. A password that stands there as it is opens nothing.
var hashes = []htpasswd.PasswdParser{
	rejectSlow, htpasswd.AcceptMd5, htpasswd.AcceptSha, htpasswd.AcceptBcrypt, htpasswd.AcceptSsha, htpasswd.AcceptCryptSha, htpasswd.RejectPlain,
}

// rejectSlow refuses a hash that would have one of the turns for longer than others can wait.
func rejectSlow(hash string) (htpasswd.EncodedPasswd, error) {
	cost, of := 0, strings.Split(hash, "$")
	switch {
	case len(of) < 4 || of[0] != "":
		return nil, nil
	case strings.HasPrefix(of[1], "2"):
		cost, _ = strconv.Atoi(of[2])
	}
	rounds, _ := strconv.ParseInt(strings.TrimPrefix(of[2], "rounds="), 10, 64)
	if cost > mostCost || rounds > mostRounds {
		return nil, errors.New("it takes too long to check")
	}
	return nil, nil
}

func (u *users) take(texts map[string][]byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	lists := map[string]*list{}
	for name, text := range texts {
		if had := u.lists[name]; had != nil && bytes.Equal(had.text, text) {
			lists[name] = had
			continue
		}
		l := &list{text: text}
		if file, err := htpasswd.NewFromReader(bytes.NewReader(text), hashes, func(error) { l.bad = true }); err == nil {
			l.file = file
			for line := range strings.Lines(string(text)) {
				if l.some, _, _ = strings.Cut(strings.TrimSpace(line), ":"); file.Exists(l.some) {
					break
				}
			}
		}
		lists[name] = l
	}
	u.lists, u.right = lists, map[[sha256.Size]byte]bool{}
}

// why says what is wrong with a list; empty where nothing is, or it is none.
func (u *users) why(name string) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if l := u.lists[name]; l != nil && (l.bad || l.file == nil) {
		return "a line is not NAME:HASH with a hash of bcrypt, SHA or MD5 that is checked within a second or so, and opens nothing"
	}
	return ""
}

// Allowed says whether a list has somebody of that name with that password.
func (k *Keyring) Allowed(name, user, password string) bool {
	u := k.users
	mac := hmac.New(sha256.New, u.key)
	for _, part := range []string{name, user, password} {
		sum := sha256.Sum256([]byte(part))
		_, _ = mac.Write(sum[:])
	}
	digest := [sha256.Size]byte(mac.Sum(nil))
	u.mu.Lock()
	l, right := u.lists[name], u.right[digest]
	u.mu.Unlock()
	if right || l == nil || l.file == nil {
		return right
	}
	select {
	case u.turns <- struct{}{}:
	case <-time.After(longestCheck):
		return false
	}
	if right = l.file.Match(user, password); !l.file.Exists(user) {
		_ = l.file.Match(l.some, password)
	}
	<-u.turns
	u.mu.Lock()
	defer u.mu.Unlock()
	if right && u.lists[name] == l {
		if len(u.right) >= mostRemembered {
			clear(u.right)
		}
		u.right[digest] = true
	}
	return right
}
