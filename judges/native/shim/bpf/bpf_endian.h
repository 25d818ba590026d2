/* Stands in for libbpf's header of this name where the kernel program is built for the host. */
#pragma once

#include <asm/byteorder.h>

#define bpf_htons(x) __cpu_to_be16(x)
#define bpf_ntohs(x) __be16_to_cpu(x)
#define bpf_htonl(x) __cpu_to_be32(x)
#define bpf_ntohl(x) __be32_to_cpu(x)
#define bpf_be64_to_cpu(x) __be64_to_cpu(x)
#define bpf_cpu_to_be64(x) __cpu_to_be64(x)
