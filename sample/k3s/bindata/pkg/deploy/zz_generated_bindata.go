// Code generated for package deploy by codegen DO NOT EDIT. (@generated)

//go:build !no_stage

package deploy

import "fmt"

var assets = []struct{ name, content string }{
	{"coredns.yaml", "# A sample manifest: the image is the real one, the rest is as little as a Deployment needs.\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: coredns\n  namespace: kube-system\nspec:\n  selector:\n    matchLabels:\n      k8s-app: kube-dns\n  template:\n    metadata:\n      labels:\n        k8s-app: kube-dns\n    spec:\n      containers:\n      - name: coredns\n        image: \"%{SYSTEM_DEFAULT_REGISTRY}%rancher/mirrored-coredns-coredns:1.14.0\"\n        imagePullPolicy: IfNotPresent\n"},
	{"local-storage.yaml", "# A sample manifest: the images are the real ones.\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: local-path-provisioner\n  namespace: kube-system\nspec:\n  selector:\n    matchLabels:\n      app: local-path-provisioner\n  template:\n    metadata:\n      labels:\n        app: local-path-provisioner\n    spec:\n      containers:\n      - name: local-path-provisioner\n        image: \"%{SYSTEM_DEFAULT_REGISTRY}%rancher/local-path-provisioner:v0.0.34\"\n        imagePullPolicy: IfNotPresent\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: local-path-config\n  namespace: kube-system\ndata:\n  helperPod.yaml: |-\n    apiVersion: v1\n    kind: Pod\n    metadata:\n      name: helper-pod\n    spec:\n      containers:\n      - name: helper-pod\n        image: \"%{SYSTEM_DEFAULT_REGISTRY}%rancher/mirrored-library-busybox:1.37.0\"\n        imagePullPolicy: IfNotPresent\n"},
	{"metrics-server/metrics-server-deployment.yaml", "# A sample manifest: the image is the real one, the rest is as little as a Deployment needs.\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: metrics-server\n  namespace: kube-system\nspec:\n  selector:\n    matchLabels:\n      k8s-app: metrics-server\n  template:\n    metadata:\n      labels:\n        k8s-app: metrics-server\n    spec:\n      containers:\n      - name: metrics-server\n        image: \"%{SYSTEM_DEFAULT_REGISTRY}%rancher/mirrored-metrics-server:v0.8.0\"\n        imagePullPolicy: IfNotPresent\n"},
	{"metrics-server/metrics-server-service.yaml", "apiVersion: v1\nkind: Service\nmetadata:\n  name: metrics-server\n  namespace: kube-system\nspec:\n  selector:\n    k8s-app: metrics-server\n  ports:\n  - port: 443\n    targetPort: https\n"},
	{"traefik.yaml", "---\napiVersion: helm.cattle.io/v1\nkind: HelmChart\nmetadata:\n  name: traefik-crd\n  namespace: kube-system\nspec:\n  chart: https://%{KUBERNETES_API}%/static/charts/traefik-crd-0.35.0+up0.35.0.tgz\n---\napiVersion: helm.cattle.io/v1\nkind: HelmChart\nmetadata:\n  name: traefik\n  namespace: kube-system\nspec:\n  chart: https://%{KUBERNETES_API}%/static/charts/traefik-0.35.0+up0.35.0.tgz\n  set:\n    global.systemDefaultRegistry: \"%{SYSTEM_DEFAULT_REGISTRY_RAW}%\"\n  valuesContent: |-\n    image:\n      repository: \"rancher/mirrored-library-traefik\"\n      tag: \"3.6.7\"\n"},
}

// AssetNames returns the names of all assets, sorted.
func AssetNames() []string {
	var names []string
	for _, asset := range assets {
		names = append(names, asset.name)
	}
	return names
}

// Asset returns the content of one asset.
func Asset(name string) ([]byte, error) {
	for _, asset := range assets {
		if asset.name == name {
			return []byte(asset.content), nil
		}
	}
	return nil, fmt.Errorf("Asset %s not found", name)
}
