#!/usr/bin/env bash
# Install or upgrade everything that the user directory runs with: cert-manager, NGINX Gateway Fabric, Prometheus with
# Grafana, SonarQube, Concourse, the Gateway with its routes, and the directory itself. Whatever is already as it would be
# made is left alone, so a second run changes nothing. Versions are pinned in versions.env.
set -euo pipefail

usage() {
    cat <<'END'
usage: charts/install-helm.sh --domain DOMAIN [options]

  --domain DOMAIN    directory.DOMAIN, sonarqube.DOMAIN, concourse.DOMAIN, prometheus.DOMAIN and grafana.DOMAIN get routes
  --values DIR       DIR/RELEASE.yaml adds to the values of a release; DIR/user-directory.yaml must name Kafka and Redis
  --dev              the directory brings a Kafka and a Redis of its own, for development
  --email ADDRESS    get certificates from Let's Encrypt; without it they are signed by themselves
  --issuer NAME      use this ClusterIssuer of cert-manager's instead
  --only A,B         these releases only
  --skip A,B         all releases but these
  --dry-run          say what would be done and render every chart; change nothing
  --reapply          install also what is already as it would be made
  --timeout TIME     how long each release may take to become ready (10m)
  --no-wait          do not wait until they are ready
  --repository URL   take all public charts from this chart repository, a mirror

releases, in their order: gateway-api cert-manager nginx-gateway-fabric monitoring sonarqube concourse platform
user-directory. KUBECONFIG names the cluster. Every value of versions.env can be set in the environment.
END
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
releases=(gateway-api cert-manager nginx-gateway-fabric monitoring sonarqube concourse platform user-directory)
domain='' values='' email='' issuer='' only='' skip='' repository=''
dev=false dry_run=false reapply=false wait=true timeout=10m

die() {
    printf 'install-helm.sh: %s\n' "$*" >&2
    exit 1
}
say() { printf '%-22s %s\n' "$1" "$2"; }

while (($#)); do
    case $1 in
        --domain | --values | --email | --issuer | --only | --skip | --timeout | --repository)
            (($# > 1)) || die "$1 needs a value"
            declare "${1#--}=$2"
            shift
            ;;
        --dev) dev=true ;;
        --dry-run) dry_run=true ;;
        --reapply) reapply=true ;;
        --no-wait) wait=false ;;
        -h | --help)
            usage
            exit 0
            ;;
        *) die "unknown option $1; --help lists all" ;;
    esac
    shift
done

# The environment wins over the pinned versions.
while IFS='=' read -r name value; do
    [[ $name == [A-Z]* ]] || continue
    [[ -n ${!name:-} ]] || declare "$name=$value"
done <"$here/versions.env"

wanted() {
    [[ (-z $only || ,$only, == *,$1,*) && ,$skip, != *,$1,* ]]
}
for name in ${only//,/ } ${skip//,/ }; do
    [[ " ${releases[*]} " == *" $name "* ]] || die "there is no release $name; there are: ${releases[*]}"
done
for tool in helm kubectl sha256sum openssl; do
    command -v "$tool" >/dev/null || die "$tool is not on the PATH: install it"
done
if wanted concourse; then
    command -v ssh-keygen >/dev/null || die "ssh-keygen is not on the PATH: install it (OpenSSH), or --skip concourse"
fi
[[ -n $domain ]] || die "no domain: say --domain example.org"
[[ $domain =~ ^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$ ]] || die "'$domain' is no domain"
[[ -z $values || -d $values ]] || die "--values: $values is no folder"
if wanted user-directory && ! $dev && [[ ! -f ${values:-/nowhere}/user-directory.yaml ]]; then
    die "the directory needs Kafka and Redis: name them in DIR/user-directory.yaml (--values DIR), or say --dev"
fi

log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT
kubectl version --request-timeout=10s >"$log/out" 2>&1 || die "the cluster does not answer: $(tail -n 1 "$log/out")"

# --- namespaces and secrets

namespace() { # NAME
    kubectl get namespace "$1" >/dev/null 2>&1 && return
    if $dry_run; then
        say "namespace $1" "would be made"
    else
        kubectl create namespace "$1" >"$log/out" 2>&1 || die "namespace $1 cannot be made: $(tail -n 1 "$log/out")"
        say "namespace $1" "made"
    fi
}

secret() { # NAMESPACE NAME FUNCTION: the function prints the --from arguments, one a line; it is asked once ever
    kubectl --namespace "$1" get secret "$2" >/dev/null 2>&1 && return
    if $dry_run; then
        say "secret $2" "would be made in $1"
        return
    fi
    local arguments
    mapfile -t arguments < <("$3")
    kubectl --namespace "$1" create secret generic "$2" "${arguments[@]}" >"$log/out" 2>&1 ||
        die "secret $2 cannot be made: $(tail -n 1 "$log/out")"
    say "secret $2" "made in $1"
}

password() { openssl rand -hex 20; }
sonarqube_secret() { printf -- '--from-literal=passcode=%s\n' "$(password)"; }
grafana_secret() { printf -- '--from-literal=%s\n' user=admin "password=$(password)"; }

concourse_keys() {
    [[ -f $log/host-key ]] && return
    local key
    for key in host-key session-signing-key worker-key; do
        ssh-keygen -q -t rsa -b 4096 -m PEM -N '' -C "$key" -f "$log/$key"
    done
}
concourse_web_secret() {
    printf -- '--from-file=%s\n' "host-key=$log/host-key" "session-signing-key=$log/session-signing-key" \
        "worker-key-pub=$log/worker-key.pub"
    printf -- '--from-literal=local-users=admin:%s\n' "$(password)"
}
concourse_worker_secret() {
    printf -- '--from-file=%s\n' "host-key-pub=$log/host-key.pub" "worker-key=$log/worker-key"
}

# --- releases

# What a release is made of, in 40 digits: it becomes a label of the release, and is compared the next time.
fingerprint() { # CHART VERSION ARGUMENT...
    {
        printf '%s\n' "$@"
        local argument
        for argument in "$@"; do
            if [[ -f $argument ]]; then
                cat "$argument"
            elif [[ -d $argument ]]; then
                find "$argument" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sed "s#$argument##"
            fi
        done
    } | sed "s#$here##g" | sha256sum | cut -c1-40
}

release() { # NAME NAMESPACE CHART VERSION REPOSITORY ARGUMENT...; a chart that is a folder has no version, no repository
    local name=$1 namespace=$2 chart=$3 version=$4 from=$5 known now
    shift 5
    local arguments=("$@") source=()
    if [[ -n $from ]]; then
        source=(--version "$version")
        case $from in
            oci://*) chart=$from/$chart ;;
            *) source+=(--repo "$from") ;;
        esac
    fi
    [[ ! -f $here/install-values/$name.yaml ]] || arguments=(--values "$here/install-values/$name.yaml" "${arguments[@]}")
    [[ ! -f ${values:-/nowhere}/$name.yaml ]] || arguments+=(--values "$values/$name.yaml")
    now=$(fingerprint "$chart" "${source[@]}" "${arguments[@]}")
    known=$(helm list --namespace "$namespace" --filter "^$name\$" --deployed --selector "inputs=$now" --short 2>"$log/out") ||
        die "$name: helm cannot list releases: $(tail -n 1 "$log/out")"
    if [[ -n $known ]] && ! $reapply; then
        say "$name" "is as it must be"
        return
    fi
    if $dry_run; then
        helm template "$name" "$chart" --namespace "$namespace" "${source[@]}" "${arguments[@]}" >/dev/null 2>"$log/out" ||
            die "$name does not render: $(reason)"
        say "$name" "would be installed or upgraded in $namespace${version:+, version $version}"
        return
    fi
    local waiting=()
    ! $wait || waiting=(--wait)
    helm upgrade --install "$name" "$chart" --namespace "$namespace" "${source[@]}" "${arguments[@]}" \
        --labels "inputs=$now" --timeout "$timeout" "${waiting[@]}" >"$log/out" 2>&1 || die "$name failed: $(reason)"
    say "$name" "installed in $namespace${version:+, version $version}"
}

# What helm says went wrong, on one line.
reason() {
    local text
    text=$(sed -n '/^Error/,$p' "$log/out")
    [[ -n $text ]] || text=$(tail -n 1 "$log/out")
    tr -s '\n\t ' ' ' <<<"${text#Error: }" | cut -c1-500 | sed 's/ $//'
}

gateway_api() {
    local there
    there=$(kubectl get crd gatewayclasses.gateway.networking.k8s.io --ignore-not-found \
        -o 'jsonpath={.metadata.annotations.gateway\.networking\.k8s\.io/bundle-version}' 2>"$log/out") ||
        die "gateway-api: $(tail -n 1 "$log/out")"
    there=${there#v}
    if [[ $there == "$GATEWAY_API_VERSION" ]] && ! $reapply; then
        say gateway-api "is as it must be"
    elif [[ -n $there && $(printf '%s\n' "$there" "$GATEWAY_API_VERSION" | sort -V | tail -n 1) == "$there" ]]; then
        say gateway-api "is left as it is: version $there is there, newer than $GATEWAY_API_VERSION"
    elif $dry_run; then
        say gateway-api "would be installed, version $GATEWAY_API_VERSION"
    else
        kubectl apply --server-side --force-conflicts --filename "$GATEWAY_API_CRDS" >"$log/out" 2>&1 ||
            die "gateway-api failed: $(tail -n 1 "$log/out")"
        say gateway-api "installed, version $GATEWAY_API_VERSION"
    fi
}

public() { # RELEASE NAMESPACE CHART PREFIX ARGUMENT...
    local version=$4_VERSION from=$4_REPOSITORY
    namespace "$2"
    release "$1" "$2" "$3" "${!version}" "${repository:-${!from}}" "${@:5}"
}

if wanted gateway-api; then gateway_api; fi
if wanted cert-manager; then public cert-manager cert-manager cert-manager CERT_MANAGER; fi
if wanted nginx-gateway-fabric; then
    public nginx-gateway-fabric nginx-gateway nginx-gateway-fabric NGINX_GATEWAY_FABRIC
fi
if wanted monitoring; then
    namespace monitoring
    secret monitoring grafana-admin grafana_secret
    public monitoring monitoring kube-prometheus-stack KUBE_PROMETHEUS_STACK \
        --set "grafana.grafana\\.ini.server.root_url=https://grafana.$domain" \
        --set "prometheus.prometheusSpec.externalUrl=https://prometheus.$domain"
fi
if wanted sonarqube; then
    namespace sonarqube
    secret sonarqube sonarqube-monitoring sonarqube_secret
    public sonarqube sonarqube sonarqube SONARQUBE
fi
if wanted concourse; then
    namespace concourse
    # Both secrets hold halves of the same keys, so one that is missing alone cannot be made.
    if ! kubectl --namespace concourse get secret concourse-web concourse-worker >/dev/null 2>&1; then
        $dry_run || concourse_keys
        secret concourse concourse-web concourse_web_secret
        secret concourse concourse-worker concourse_worker_secret
    fi
    public concourse concourse concourse CONCOURSE --set "concourse.web.externalUrl=https://concourse.$domain"
fi
if wanted platform; then
    namespace gateway
    for name in sonarqube concourse monitoring user-directory; do namespace "$name"; done
    release platform gateway "$here/platform" '' '' --set "domain=$domain" --set "issuer.email=$email" \
        --set "issuer.name=$issuer"
fi
if wanted user-directory; then
    namespace user-directory
    arguments=(--set gatewayApi.enabled=true --set "gatewayApi.hostnames={directory.$domain}"
        --set 'gatewayApi.parentRefs[0].name=platform' --set 'gatewayApi.parentRefs[0].namespace=gateway'
        --set 'gatewayApi.parentRefs[0].sectionName=https' --set "settings.PUBLIC_URL=https://directory.$domain")
    if wanted monitoring || kubectl get crd servicemonitors.monitoring.coreos.com >/dev/null 2>&1; then
        arguments+=(--set monitoring.serviceMonitors.enabled=true --set monitoring.rules.enabled=true --set monitoring.dashboard.enabled=true)
    fi
    ! $dev || arguments=(--values "$here/user-directory/values-dev.yaml" "${arguments[@]}")
    release user-directory user-directory "$here/user-directory" '' '' "${arguments[@]}"
fi
