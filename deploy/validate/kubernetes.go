package validate

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// postgresConnections is max_connections of PostgreSQL without those it keeps for superusers.
const postgresConnections = 97

// Manifests are the files of deploy/kubernetes by name.
type Manifests map[string][]byte

// cluster is what the manifests describe.
type cluster struct {
	deployments []*appsv1.Deployment
	jobs        []*batchv1.Job
	services    []*corev1.Service
	budgets     []*policyv1.PodDisruptionBudget
	scalers     []*autoscalingv2.HorizontalPodAutoscaler
	policies    []*networkingv1.NetworkPolicy
	configs     map[string]environment
	secrets     map[string][]string // the keys of each
}

// CheckKubernetes returns what is wrong with the manifests: those that the kustomization renders, and
// the ones that stand beside it.
func CheckKubernetes(files Manifests, settings Settings, image Image) Findings {
	var found Findings
	rendered, err := render(files)
	if err != nil {
		return Findings{err.Error()}
	}
	c := cluster{configs: map[string]environment{}, secrets: map[string][]string{}}
	applied := c.decode(&found, "kustomization", rendered)
	found.unless(!slices.Contains(applied, "Secret"), "the kustomization must not apply a Secret: it would put placeholders over the real one")
	for name, text := range files {
		switch name {
		case "migrate-job.yaml", "secret.example.yaml":
			c.decode(&found, name, text)
		case "kustomization.yaml": // read by kustomize, strictly
		default:
			if path.Ext(name) == ".yaml" { // once more as written, for members that stand there twice
				(&cluster{configs: map[string]environment{}, secrets: map[string][]string{}}).decode(&found, name, text)
			}
		}
	}
	if len(found) > 0 {
		return found // what was not understood would only cause more
	}
	c.checkKinds(&found)
	for _, d := range c.deployments {
		c.checkPod(&found, "Deployment "+d.Name, d.Spec.Template, settings, image)
		c.checkDeployment(&found, d, settings, image)
		c.checkSelectors(&found, d)
	}
	for _, j := range c.jobs {
		c.checkPod(&found, "Job "+j.GenerateName, j.Spec.Template, settings, image)
		c.checkJob(&found, j)
	}
	return found
}

// render does what `kubectl kustomize` does.
func render(files Manifests) ([]byte, error) {
	fs := filesys.MakeFsInMemory()
	for name, text := range files {
		if err := fs.WriteFile(path.Join("/deploy", name), text); err != nil {
			return nil, err
		}
	}
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(fs, "/deploy")
	if err != nil {
		return nil, err
	}
	return resources.AsYaml()
}

// decode reads all documents as the API server would in its strict mode, and returns their kinds.
func (c *cluster) decode(found *Findings, where string, text []byte) []string {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		appsv1.AddToScheme, autoscalingv2.AddToScheme, batchv1.AddToScheme,
		corev1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			found.add("%v", err)
		}
	}
	decoder := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	var kinds []string
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return kinds
		}
		if err != nil {
			found.add("%s: %v", where, err)
			return kinds
		}
		object, kind, err := decoder.Decode(document, nil, nil)
		if err != nil {
			found.add("%s: %v", where, err)
			continue
		}
		kinds = append(kinds, kind.Kind)
		c.take(found, where, object)
	}
}

func (c *cluster) take(found *Findings, where string, object runtime.Object) {
	switch o := object.(type) {
	case *appsv1.Deployment:
		c.deployments = append(c.deployments, o)
	case *batchv1.Job:
		c.jobs = append(c.jobs, o)
	case *corev1.Service:
		c.services = append(c.services, o)
	case *policyv1.PodDisruptionBudget:
		c.budgets = append(c.budgets, o)
	case *autoscalingv2.HorizontalPodAutoscaler:
		c.scalers = append(c.scalers, o)
	case *networkingv1.NetworkPolicy:
		c.policies = append(c.policies, o)
	case *corev1.ConfigMap:
		c.configs[o.Name] = o.Data
	case *corev1.Secret:
		for key, value := range o.StringData {
			c.secrets[o.Name] = append(c.secrets[o.Name], key)
			found.unless(value == "<REPLACE ME>", "Secret %s: %s must be a placeholder that no database takes", o.Name, key)
		}
		found.unless(len(o.Data) == 0, "Secret %s: data hides what it holds; use stringData", o.Name)
	default:
		found.add("%s: nothing looks at a %T yet", where, object)
	}
}

// checkKinds sees to it that nothing is checked by not being there.
func (c *cluster) checkKinds(found *Findings) {
	for kind, number := range map[string]int{
		"Deployment": len(c.deployments), "Job": len(c.jobs), "Service": len(c.services),
		"PodDisruptionBudget": len(c.budgets), "HorizontalPodAutoscaler": len(c.scalers), "NetworkPolicy": len(c.policies),
	} {
		found.unless(number == 1, "there are %d of kind %s, not one", number, kind)
	}
}

// checkPod looks at what holds for every Pod, also for that of the Job.
func (c *cluster) checkPod(found *Findings, where string, template corev1.PodTemplateSpec, settings Settings, image Image) {
	spec := template.Spec
	is := func(p *bool, want bool) bool { return p != nil && *p == want }
	found.unless(is(spec.AutomountServiceAccountToken, false), "%s: automountServiceAccountToken must be false", where)
	found.unless(is(spec.EnableServiceLinks, false), "%s: enableServiceLinks must be false", where)
	security := spec.SecurityContext
	if security == nil {
		security = &corev1.PodSecurityContext{}
	}
	found.unless(is(security.RunAsNonRoot, true), "%s: runAsNonRoot must be true", where)
	found.unless(security.RunAsUser != nil && *security.RunAsUser == image.User, "%s: runAsUser must be that of the image, %d", where, image.User)
	found.unless(security.SeccompProfile != nil && security.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault,
		"%s: seccompProfile must be RuntimeDefault", where)
	for _, container := range spec.Containers {
		c.checkContainer(found, where+", container "+container.Name, container)
		files := c.secretFiles(found, where, spec, container)
		settings.checkEnvironment(found, where, c.environment(found, where, container), files)
	}
}

func (c *cluster) checkContainer(found *Findings, where string, container corev1.Container) {
	is := func(p *bool, want bool) bool { return p != nil && *p == want }
	_, tag, tagged := strings.Cut(container.Image, ":")
	found.unless(tagged && tag != "latest", "%s: image %s needs a tag that does not move", where, container.Image)
	for _, kind := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		quantity, given := container.Resources.Requests[kind]
		found.unless(given && quantity.Sign() > 0, "%s: requests no %s", where, kind)
		limit, limited := container.Resources.Limits[kind]
		found.unless(!limited || limit.Cmp(quantity) >= 0, "%s: requests more %s than its limit", where, kind)
	}
	limit := container.Resources.Limits[corev1.ResourceMemory]
	found.unless(limit.Sign() > 0, "%s: has no limit of memory", where)
	security := container.SecurityContext
	if security == nil {
		security = &corev1.SecurityContext{}
	}
	found.unless(is(security.AllowPrivilegeEscalation, false), "%s: allowPrivilegeEscalation must be false", where)
	found.unless(is(security.ReadOnlyRootFilesystem, true), "%s: readOnlyRootFilesystem must be true", where)
	found.unless(security.Capabilities != nil && slices.Equal(security.Capabilities.Drop, []corev1.Capability{"ALL"}) && len(security.Capabilities.Add) == 0,
		"%s: must drop ALL capabilities", where)
}

// environment returns what the container gets, with that of its ConfigMaps.
func (c *cluster) environment(found *Findings, where string, container corev1.Container) environment {
	env := environment{}
	for _, from := range container.EnvFrom {
		if from.ConfigMapRef == nil {
			found.add("%s: envFrom may only be a ConfigMap; secrets are files", where)
			continue
		}
		data, exists := c.configs[from.ConfigMapRef.Name]
		found.unless(exists, "%s: there is no ConfigMap %s", where, from.ConfigMapRef.Name)
		for name, value := range data {
			env[from.Prefix+name] = value
		}
	}
	for _, v := range container.Env {
		found.unless(v.ValueFrom == nil || v.ValueFrom.SecretKeyRef == nil, "%s: %s must be a file, as secrets are", where, v.Name)
		env[v.Name] = v.Value
	}
	return env
}

// secretFiles returns where the container finds its secrets, of which the example must have each.
func (c *cluster) secretFiles(found *Findings, where string, spec corev1.PodSpec, container corev1.Container) []string {
	var files []string
	for _, mount := range container.VolumeMounts {
		at := slices.IndexFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == mount.Name })
		if at < 0 {
			found.add("%s: there is no volume %s to mount", where, mount.Name)
			continue
		}
		secret := spec.Volumes[at].Secret
		if secret == nil {
			continue
		}
		keys, exists := c.secrets[secret.SecretName]
		found.unless(exists, "%s: secret.example.yaml has no Secret %s", where, secret.SecretName)
		found.unless(mount.ReadOnly, "%s: %s must be mounted read-only", where, mount.Name)
		group := spec.SecurityContext != nil && spec.SecurityContext.FSGroup != nil
		found.unless(group && secret.DefaultMode != nil && *secret.DefaultMode == 0o440,
			"%s: the mode of %s must be 0440, with an fsGroup that makes it readable", where, mount.Name)
		for _, key := range keys {
			files = append(files, path.Join(mount.MountPath, key))
		}
	}
	return files
}

func (c *cluster) checkDeployment(found *Findings, d *appsv1.Deployment, settings Settings, image Image) {
	where := "Deployment " + d.Name
	found.unless(d.Spec.Replicas == nil, "%s: replicas undoes the work of the autoscaler with every apply", where)
	rolling := d.Spec.Strategy.RollingUpdate
	found.unless(d.Spec.Strategy.Type == appsv1.RollingUpdateDeploymentStrategyType && rolling != nil &&
		rolling.MaxUnavailable != nil && *rolling.MaxUnavailable == intstr.FromInt32(0) &&
		rolling.MaxSurge != nil && rolling.MaxSurge.IntVal > 0,
		"%s: a rollout must start a Pod before it ends one", where)
	found.unless(len(d.Spec.Template.Spec.TopologySpreadConstraints) > 0, "%s: nothing spreads its Pods", where)
	for _, container := range d.Spec.Template.Spec.Containers {
		env := c.environment(new(Findings), where, container)
		drain, whole, err := settings.stopping(env)
		if err != nil {
			found.add("%s: %v", where, err)
			continue
		}
		if hook := container.Lifecycle; hook != nil && hook.PreStop != nil {
			found.unless(hook.PreStop.Exec == nil, "%s: the image has no program for preStop to run", where)
			if hook.PreStop.Sleep != nil {
				whole += time.Duration(hook.PreStop.Sleep.Seconds) * time.Second
			}
		}
		grace := d.Spec.Template.Spec.TerminationGracePeriodSeconds
		found.unless(grace != nil && time.Duration(*grace)*time.Second >= whole,
			"%s: terminationGracePeriodSeconds must be at least %s, or requests are cut off", where, whole)
		found.unless(image.Port == port(container, intstr.FromString("http")), "%s: the port http must be the image's %d", where, image.Port)
		checkProbe(found, where+": the startupProbe", container.StartupProbe, "/livez", container)
		checkProbe(found, where+": the livenessProbe", container.LivenessProbe, "/livez", container)
		checkProbe(found, where+": the readinessProbe", container.ReadinessProbe, "/readyz", container)
		if p := container.ReadinessProbe; p != nil {
			found.unless(time.Duration(p.PeriodSeconds)*time.Second <= drain, "%s: the readinessProbe must look once within the drain of %s", where, drain)
		}
		c.checkConnections(found, where, env, rolling)
	}
}

func checkProbe(found *Findings, where string, probe *corev1.Probe, want string, container corev1.Container) {
	if probe == nil || probe.HTTPGet == nil {
		found.add("%s is missing, or does not ask over HTTP", where)
		return
	}
	found.unless(probe.HTTPGet.Path == want, "%s must ask %s", where, want)
	found.unless(port(container, probe.HTTPGet.Port) != 0, "%s asks a port that the container does not have", where)
	found.unless(probe.TimeoutSeconds > 0 && probe.TimeoutSeconds <= probe.PeriodSeconds, "%s needs a timeout within its period", where)
}

// checkConnections adds up what all Pods may open at once.
func (c *cluster) checkConnections(found *Findings, where string, env environment, rolling *appsv1.RollingUpdateDeployment) {
	each, err := strconv.Atoi(env["USERAPI_STORAGE_MAX_CONNS"])
	if err != nil {
		found.add("%s: USERAPI_STORAGE_MAX_CONNS: %v", where, err)
		return
	}
	for _, scaler := range c.scalers {
		pods := int(scaler.Spec.MaxReplicas)
		if rolling != nil && rolling.MaxSurge != nil {
			pods += rolling.MaxSurge.IntValue()
		}
		found.unless(pods*each <= postgresConnections, "%s: %d Pods with %d connections each are more than the %d that PostgreSQL takes", where, pods, each, postgresConnections)
	}
}

// checkSelectors sees to it that what speaks of the Deployment's Pods means them, all and only them.
func (c *cluster) checkSelectors(found *Findings, d *appsv1.Deployment) {
	pods := labels.Set(d.Spec.Template.Labels)
	match := func(where string, selector *metav1.LabelSelector, others bool) {
		s, err := metav1.LabelSelectorAsSelector(selector)
		if err != nil {
			found.add("%s: %v", where, err)
			return
		}
		found.unless(!s.Empty() && s.Matches(pods), "%s: its selector does not match the Pods of %s", where, d.Name)
		for _, j := range c.jobs {
			found.unless(others || !s.Matches(labels.Set(j.Spec.Template.Labels)), "%s: its selector matches the Pods of the Job too", where)
		}
	}
	match("Deployment "+d.Name, d.Spec.Selector, false)
	for i, spread := range d.Spec.Template.Spec.TopologySpreadConstraints {
		match(fmt.Sprintf("topologySpreadConstraints[%d]", i), spread.LabelSelector, false)
	}
	for _, s := range c.services {
		match("Service "+s.Name, metav1.SetAsLabelSelector(s.Spec.Selector), false)
		for _, p := range s.Spec.Ports {
			found.unless(port(d.Spec.Template.Spec.Containers[0], p.TargetPort) != 0, "Service %s: targetPort %s is no port of the Pods", s.Name, p.TargetPort.String())
		}
	}
	for _, b := range c.budgets {
		match("PodDisruptionBudget "+b.Name, b.Spec.Selector, false)
		found.unless(b.Spec.MinAvailable == nil && b.Spec.MaxUnavailable != nil && b.Spec.MaxUnavailable.IntVal > 0,
			"PodDisruptionBudget %s: maxUnavailable must let one Pod go, or no node can be emptied", b.Name)
	}
	for _, p := range c.policies {
		match("NetworkPolicy "+p.Name, &p.Spec.PodSelector, true)
		for _, rule := range p.Spec.Ingress {
			found.unless(len(rule.From) > 0, "NetworkPolicy %s: an ingress rule lets everybody in", p.Name)
			for _, in := range rule.Ports {
				found.unless(in.Port != nil && port(d.Spec.Template.Spec.Containers[0], *in.Port) != 0, "NetworkPolicy %s: an ingress port is no port of the Pods", p.Name)
			}
		}
	}
	for _, h := range c.scalers {
		target := h.Spec.ScaleTargetRef
		found.unless(target.APIVersion == "apps/v1" && target.Kind == "Deployment" && target.Name == d.Name, "HorizontalPodAutoscaler %s: its target does not exist", h.Name)
		found.unless(h.Spec.MinReplicas != nil && *h.Spec.MinReplicas >= 3 && h.Spec.MaxReplicas >= *h.Spec.MinReplicas,
			"HorizontalPodAutoscaler %s: it must keep three Pods at least", h.Name)
	}
	for _, j := range c.jobs {
		found.unless(j.Spec.Template.Spec.Containers[0].Image == d.Spec.Template.Spec.Containers[0].Image, "the Job migrates with another image than the Deployment runs")
	}
}

func (c *cluster) checkJob(found *Findings, j *batchv1.Job) {
	found.unless(slices.Equal(j.Spec.Template.Spec.Containers[0].Args, []string{"--migrate"}), "Job %s: its args must be --migrate", j.GenerateName)
	found.unless(j.Name == "" && j.GenerateName != "", "a Job cannot be changed: give it a generateName")
	found.unless(j.Spec.ActiveDeadlineSeconds != nil, "Job %s: it may run for ever", j.GenerateName)
}

// port returns the number of the container's port that is meant, or 0.
func port(container corev1.Container, meant intstr.IntOrString) int32 {
	for _, p := range container.Ports {
		if meant.Type == intstr.String && p.Name == meant.StrVal || meant.Type == intstr.Int && p.ContainerPort == meant.IntVal {
			return p.ContainerPort
		}
	}
	return 0
}
