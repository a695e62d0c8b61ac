// SPDX-License-Identifier: MIT OR Apache-2.0
//
// The generator: makes the probes of a scan inside the kernel.
//
// It is an XDP program that no frame ever arrives at: bpf(2) runs it over and over on pages of its
// own (BPF_PROG_TEST_RUN with BPF_F_TEST_XDP_LIVE_FRAMES). Each run takes the next position of its
// stride and writes the probe that `engine/core` would write for it, to the last octet:
//
//   position → permutation.rs → index → plan.rs (aim) → cookie.rs → wire/template.rs → the wire
//
// `engine/net/tests/programs.rs` holds both to the same octets. Everything that it needs to know
// is in arrays that `link/generator/` fills; every array holds 64-bit words alone.

#include "common.bpf.h"

static long (*const redirect)(u32 interface, u64 flags) = (void *)23;

#define NONE (~0ULL)

// As in link/generator/layout.rs, where the first three are checked before anything is loaded.
#define BLOCKS_MAX 8
#define TEMPLATES_MAX 16
#define TEMPLATE_WORDS 16
#define ROUNDS 6
// A walk leaves the domain with less than 3/4 chance a step: one in 10^31 is longer than this.
#define WALK_MAX 256
#define RANGE_BITS_MAX 20

struct block {
	u64 endpoints_before;
	u64 probes_len;
	u64 probes_at;
	u64 ranges_at;
	u64 ranges_len;
};

struct template {
	u64 words[TEMPLATE_WORDS];
	u64 ip_sum;
	u64 inner_sum;
};

struct task {
	// Where it stands: read and written here, between runs by the owner.
	u64 next;
	u64 frames;
	u64 frames_max;
	u64 pass;
	u64 looks_at_answers;
	// What it does: never changes.
	u64 step;
	u64 len;
	u64 half_bits;
	u64 half_mask;
	u64 keys[ROUNDS];
	u64 sip[4];
	u64 port_first;
	u64 port_count;
	u64 interface;
	u64 ipv6;
	u64 blocks_len;
	struct block blocks[BLOCKS_MAX];
	struct template templates[TEMPLATES_MAX];
};

struct range {
	u64 hosts_before;
	u64 first_high;
	u64 first_low;
	u64 span;
	u64 template; // NONE: no frame of this link's
	u64 neighbors_at; // NONE: the template has the next hop
};

// Named by relocations, filled in when the program is loaded: the first is the value itself, the
// others are arrays.
extern struct task task;
extern const u8 ranges, ports, answered, neighbors;

// permutation.rs: Permutation::element
ALWAYS u64 element(const struct task *t, u64 x)
{
	u64 bits = t->half_bits & 63, mask = t->half_mask, len = t->len;

#pragma clang loop unroll(disable)
	for (int walk = 0; walk < WALK_MAX; walk++) {
		u64 left = x >> bits, right = x & mask;
#pragma clang loop unroll(full)
		for (int i = 0; i < ROUNDS; i++) {
			u64 z = (right + t->keys[i]) * 0x9E3779B97F4A7C15ULL;
			z = (z ^ (z >> 32)) * 0xD6E8FEB86659FD93ULL;
			z = left ^ ((z >> 29) & mask);
			left = right;
			right = z;
		}
		x = left << bits | right;
		if (x < len)
			return x;
	}
	return NONE;
}

ALWAYS u64 words_of(u64 x)
{
	return (x >> 48) + (x >> 32 & 0xffff) + (x >> 16 & 0xffff) + (x & 0xffff);
}

// wire/checksum.rs: Checksum::finish
ALWAYS u16 finish(u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return __builtin_bswap16(~sum & 0xffff);
}

ALWAYS void put16(u8 *at, u16 x) { *(u16 *)at = __builtin_bswap16(x); }
ALWAYS void put32(u8 *at, u32 x) { *(u32 *)at = __builtin_bswap32(x); }
ALWAYS void put64(u8 *at, u64 x) { *(u64 *)at = __builtin_bswap64(x); }

// The whole template, each time: a page comes back from wherever its last frame has been.
ALWAYS void fill(u8 *at, const u8 *end, const struct template *from)
{
#pragma clang loop unroll(full)
	for (int i = 0; i < TEMPLATE_WORDS; i++, at += 8) {
		u64 word = from->words[i];
		if (at + 8 <= end) {
			*(u64 *)at = word;
			continue;
		}
		if (at + 4 <= end) {
			*(u32 *)at = word;
			if (at + 6 <= end)
				*(u16 *)(at + 4) = word >> 32;
		} else if (at + 2 <= end) {
			*(u16 *)at = word;
		}
		return;
	}
}

// plan.rs: ScanPlan::aim, the range
ALWAYS const struct range *range_of(const struct block *block, u64 host)
{
	u64 low = block->ranges_at, high = low + block->ranges_len;
	u32 key;

#pragma clang loop unroll(disable)
	for (int i = 0; i < RANGE_BITS_MAX && high - low > 1; i++) {
		u64 middle = (low + high) >> 1;
		key = middle;
		const struct range *range = map_lookup(&ranges, &key);
		if (!range)
			return 0;
		if (range->hosts_before <= host)
			low = middle;
		else
			high = middle;
	}
	key = low;
	return map_lookup(&ranges, &key);
}

ALWAYS int has_answered(const struct task *t, u64 index)
{
	u32 key = index >> 6;

	if (!t->looks_at_answers)
		return 0;
	const u64 *word = map_lookup(&answered, &key);
	// Out of range counts as answered, as in answered.rs.
	return !word || *word >> (index & 63) & 1;
}

__attribute__((section("xdp"), used)) int generate(struct xdp_md *ctx)
{
	struct task *t = &task;
	u8 *frame = (u8 *)(u64)ctx->data, *end = (u8 *)(u64)ctx->data_end;
	u64 position = t->next;
	u32 key;

	if (position >= t->len || t->frames >= t->frames_max)
		return XDP_DROP;
	t->next = position + t->step;

	u64 index = element(t, position);
	if (index == NONE || has_answered(t, index))
		return XDP_DROP;

	const struct block *block = &t->blocks[0];
#pragma clang loop unroll(disable)
	for (u32 i = 1; i < BLOCKS_MAX; i++) {
		if (i >= t->blocks_len || t->blocks[i].endpoints_before > index)
			break;
		block = &t->blocks[i];
	}
	u64 within = index - block->endpoints_before;
	u64 host = within / block->probes_len;
	key = block->probes_at + (within - host * block->probes_len);
	const u64 *port = map_lookup(&ports, &key);
	const struct range *range = range_of(block, host);
	if (!port || !range)
		return XDP_DROP;
	u64 offset = host - range->hosts_before;
	if (range->template >= TEMPLATES_MAX || offset > range->span)
		return XDP_DROP;
	u64 low = range->first_low + offset;
	u64 high = range->first_high + (low < offset);

	u64 mac = 0;
	if (range->neighbors_at != NONE) {
		key = range->neighbors_at + offset;
		const u64 *found = map_lookup(&neighbors, &key);
		if (!found || *found == 0)
			return XDP_DROP;
		mac = *found;
	}

	u64 to = *port & 0xffff;
	u64 cookie = cookie_of(t->sip, high, low, to, t->pass);
	u64 from = t->port_first + (cookie >> 32 & 0xffff) % t->port_count;
	u32 sequence = cookie;

	const struct template *template = &t->templates[range->template & (TEMPLATES_MAX - 1)];
	fill(frame, end, template);
	if (mac) {
		if (frame + 6 > end)
			return XDP_DROP;
		put32(frame, mac >> 16);
		put16(frame + 4, mac);
	}
	u64 sum = template->inner_sum + words_of(high) + words_of(low) + from + to +
		  (sequence >> 16) + (sequence & 0xffff);
	u8 *ip = frame + ETHERNET_LEN, *tcp;
	if (t->ipv6) {
		tcp = ip + IPV6_LEN;
		if (tcp + 18 > end)
			return XDP_DROP;
		put32(ip, 0x60000000 | (cookie >> 40 & 0xfffff));
		put64(ip + 24, high);
		put64(ip + 32, low);
		put16(tcp, from);
		put16(tcp + 2, to);
		put32(tcp + 4, sequence);
		*(u16 *)(tcp + 16) = finish(sum);
	} else {
		tcp = ip + IPV4_LEN;
		if (tcp + 18 > end)
			return XDP_DROP;
		u64 id = cookie >> 48;
		put16(ip + 4, id);
		*(u16 *)(ip + 10) = finish(template->ip_sum + id + words_of(low));
		put32(ip + 16, low);
		put16(tcp, from);
		put16(tcp + 2, to);
		put32(tcp + 4, sequence);
		*(u16 *)(tcp + 16) = finish(sum);
	}
	t->frames++;
	return redirect(t->interface, 0);
}
