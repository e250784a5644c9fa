package manifest

import (
	"reflect"

	"gopkg.in/yaml.v3"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
)

// coming are kinds that make pods and are not built yet. Their templates are checked as they will be, so that what will be refused is known
// before.
func coming() []kind {
	return []kind{
		{version: "apps/v1", name: "StatefulSet", empty: func() typed { return &appsv1.StatefulSet{} }, check: func(c *check, t typed) {
			c.template(t.(*appsv1.StatefulSet).Spec.Template)
		}},
		{version: "apps/v1", name: "DaemonSet", empty: func() typed { return &appsv1.DaemonSet{} }, check: func(c *check, t typed) {
			c.template(t.(*appsv1.DaemonSet).Spec.Template)
		}},
		{version: "batch/v1", name: "CronJob", empty: func() typed { return &batchv1.CronJob{} }, check: func(c *check, t typed) {
			s := t.(*batchv1.CronJob).Spec.JobTemplate.Spec.Template
			c.templateMeta("spec.jobTemplate.spec.template.metadata", s.ObjectMeta)
			c.podSpec("spec.jobTemplate.spec.template.spec", s.Spec, "OnFailure", "Never")
		}},
	}
}

// foresee gives notice of what will be refused of an object of a kind to come. It loses nothing: nothing is done for the object anyway.
func (f *file) foresee(doc document, c *check, version, name string) {
	for _, k := range coming() {
		if k.version != version || k.name != name || doc.node.Kind != yaml.MappingNode {
			continue
		}
		will := &check{file: c.file, line: c.line, object: c.object, lines: map[string]int{}}
		t := k.empty()
		d := &decoder{check: will, offset: doc.offset, left: &f.left}
		d.into(doc.node, reflect.ValueOf(t).Elem(), "", 0)
		will.tear()
		k.check(will, t)
		for _, p := range will.breaking() {
			p.Notice, p.Text = true, "will be refused when the kind is built: "+p.Text
			c.found = append(c.found, p)
		}
	}
}
