package manifest

import (
	"fmt"
	"slices"
)

// lost is an object that does not load and keeps the form that loaded last, whatever becomes of its file: a Service, or what doors
// serve, which holds up nobody else, for its file is not in error; or a NetworkPolicy, whose file may have been in error when it was changed last.
type lost struct {
	ID
	file string
}

func (l lost) asks() Question { return Question{about: stood, file: l.file, app: l.ID} }

// lost are those of HEAD that do not load, and those that did not in what stands in for a file of HEAD, sorted.
func (h History) lost() (all []lost) {
	add := func(failed map[ID]string) {
		for id, file := range failed {
			if mayBeLost(id) && id.Name != "" && !slices.ContainsFunc(all, func(l lost) bool { return l.ID == id }) {
				all = append(all, lost{id, file})
			}
		}
	}
	add(h.Head.failed)
	for _, file := range slices.Concat(h.Head.broken(), sorted(h.Head.foreign)) {
		if past := h.whole(file); past != nil {
			add(past.failed)
		}
	}
	sortByID(all, func(l lost) ID { return l.ID })
	return all
}

func mayBeLost(id ID) bool {
	return slices.Contains([]string{aService, aPolicy, anIngress, anIngressClass, aGatewayClass, aGateway, anHTTPRoute, aReferenceGrant}, id.Kind)
}

func metaOfIngress(x *Ingress) *Meta           { return &x.Meta }
func metaOfIngressClass(x *IngressClass) *Meta { return &x.Meta }
func metaOfPolicy(x *NetworkPolicy) *Meta      { return &x.Meta }
func metaOfService(x *Service) *Meta           { return &x.Meta }
func metaOfGatewayClass(x *GatewayClass) *Meta { return &x.Meta }
func metaOfGateway(x *Gateway) *Meta           { return &x.Meta }
func metaOfRoute(x *HTTPRoute) *Meta           { return &x.Meta }
func metaOfGrant(x *ReferenceGrant) *Meta      { return &x.Meta }

// lastForms adds to want the last form of each that does not load. But for that of a Service it goes before the one that its file had when all of it
// loaded: it may have been another one since.
func (h History) lastForms(want *Set) {
	want.Services, want.NetworkPolicies = slices.Clone(want.Services), slices.Clone(want.NetworkPolicies)
	want.Ingresses, want.IngressClasses = slices.Clone(want.Ingresses), slices.Clone(want.IngressClasses)
	want.GatewayClasses, want.Gateways = slices.Clone(want.GatewayClasses), slices.Clone(want.Gateways)
	want.HTTPRoutes, want.ReferenceGrants = slices.Clone(want.HTTPRoutes), slices.Clone(want.ReferenceGrants)
	for _, l := range h.lost() {
		past := h.answer(l.asks())
		if past == nil {
			continue
		}
		why := fmt.Sprintf("%s, so its form of %s stays", h.whyLost(l), short(past.Commit))
		want.Services = lastOf(want.Services, want.Services, past.Services, why, metaOfService)
		want.NetworkPolicies = lastOf(want.NetworkPolicies, h.Head.NetworkPolicies, past.NetworkPolicies, why, metaOfPolicy)
		want.Ingresses = lastOf(want.Ingresses, h.Head.Ingresses, past.Ingresses, why, metaOfIngress)
		want.IngressClasses = lastOf(want.IngressClasses, h.Head.IngressClasses, past.IngressClasses, why, metaOfIngressClass)
		want.GatewayClasses = lastOf(want.GatewayClasses, h.Head.GatewayClasses, past.GatewayClasses, why, metaOfGatewayClass)
		want.Gateways = lastOf(want.Gateways, h.Head.Gateways, past.Gateways, why, metaOfGateway)
		want.HTTPRoutes = lastOf(want.HTTPRoutes, h.Head.HTTPRoutes, past.HTTPRoutes, why, metaOfRoute)
		want.ReferenceGrants = lastOf(want.ReferenceGrants, h.Head.ReferenceGrants, past.ReferenceGrants, why, metaOfGrant)
	}
	sortByID(want.Services, func(s Service) ID { return s.ID })
	sortByID(want.NetworkPolicies, func(p NetworkPolicy) ID { return p.ID })
	sortByID(want.Ingresses, func(x Ingress) ID { return x.ID })
	sortByID(want.IngressClasses, func(x IngressClass) ID { return x.ID })
	sortByID(want.GatewayClasses, func(x GatewayClass) ID { return x.ID })
	sortByID(want.Gateways, func(x Gateway) ID { return x.ID })
	sortByID(want.HTTPRoutes, func(x HTTPRoute) ID { return x.ID })
	sortByID(want.ReferenceGrants, func(x ReferenceGrant) ID { return x.ID })
}

// lastOf is have with those of past that before lacks, in place of any of the same name.
func lastOf[T any](have, before, past []T, why string, meta func(*T) *Meta) []T {
	for _, old := range past {
		m := meta(&old)
		same := func(x T) bool { return meta(&x).ID == m.ID }
		if m.Held = why; !slices.ContainsFunc(before, same) {
			have = append(slices.DeleteFunc(have, same), old)
		}
	}
	return have
}

// whyLost is what is wrong with the object, or with its file.
func (h History) whyLost(l lost) string {
	for _, p := range h.Head.Problems {
		if p.File == l.file && (p.Lost || p.breaks()) && p.Object == l.Kind+"/"+l.Name {
			return fmt.Sprintf("%s does not load at %s (%s)", p.Origin, short(h.Head.Commit), p.brief())
		}
	}
	return fmt.Sprintf("%s does not load at %s", l.file, short(h.Head.Commit))
}

// lostIn are those of a file that did not load in it.
func (s Set) lostIn(file string) map[ID]string {
	in := map[ID]string{}
	for id, at := range s.failed {
		if mayBeLost(id) && at == file {
			in[id] = file
		}
	}
	return in
}

// lastForm is what a commit says to the question of an object's last form: it loads there; or it is not there, and nothing that is hidden can
// hold it.
func (q Question) lastForm(s Set) (answer Set, done bool) {
	answer = Set{
		Services: ofID(s.Services, q.app, metaOfService), NetworkPolicies: ofID(s.NetworkPolicies, q.app, metaOfPolicy),
		Ingresses: ofID(s.Ingresses, q.app, metaOfIngress), IngressClasses: ofID(s.IngressClasses, q.app, metaOfIngressClass),
		GatewayClasses: ofID(s.GatewayClasses, q.app, metaOfGatewayClass), Gateways: ofID(s.Gateways, q.app, metaOfGateway),
		HTTPRoutes: ofID(s.HTTPRoutes, q.app, metaOfRoute), ReferenceGrants: ofID(s.ReferenceGrants, q.app, metaOfGrant),
	}
	if len(answer.Services)+len(answer.NetworkPolicies)+len(answer.Ingresses)+len(answer.IngressClasses)+len(answer.GatewayClasses)+len(answer.Gateways)+len(answer.HTTPRoutes)+len(answer.ReferenceGrants) > 0 {
		answer.Commit = s.Commit
		return answer, true
	}
	return Set{}, !s.Has(q.app) && s.Foreign(q.file) == nil && len(s.broken()) == 0
}

func ofID[T any](all []T, id ID, meta func(*T) *Meta) []T {
	return pick(all, func(x *T) bool { return meta(x).ID == id })
}
