package files

import (
	"container/list"
	"sync"
)

// Cache keeps what was used last, up to a budget of cost. It is safe for concurrent use.
type Cache[K comparable, V any] struct {
	mu     sync.Mutex
	budget int
	cost   int
	order  *list.List // of held[K, V], newest first
	at     map[K]*list.Element
}

type held[K comparable, V any] struct {
	key   K
	value V
	cost  int
}

// NewCache gives an empty cache. It keeps at least the newest value, however dear.
func NewCache[K comparable, V any](budget int) *Cache[K, V] {
	return &Cache[K, V]{budget: budget, order: list.New(), at: map[K]*list.Element{}}
}

// Get gives what was put under key, if it is still there.
func (c *Cache[K, V]) Get(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.at[key]
	if !ok {
		var none V
		return none, false
	}
	c.order.MoveToFront(e)
	return e.Value.(held[K, V]).value, true
}

// Put keeps value under key in place of what was there.
func (c *Cache[K, V]) Put(key K, value V, cost int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.at[key]; ok {
		c.drop(e)
	}
	c.at[key] = c.order.PushFront(held[K, V]{key, value, cost})
	c.cost += cost
	for c.cost > c.budget && c.order.Len() > 1 {
		c.drop(c.order.Back())
	}
}

func (c *Cache[K, V]) drop(e *list.Element) {
	h := c.order.Remove(e).(held[K, V])
	delete(c.at, h.key)
	c.cost -= h.cost
}
