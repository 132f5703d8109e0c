"""XXH3-128 of long inputs as LLVM IR: the frame digest without leaving native code.

The algorithm is Yann Collet's XXH3 with seed 0 and the default secret, the branch for inputs above 240 bytes; the kernels hash
nothing shorter. The xxhash package is its oracle in the tests. Source: the XXH3 specification, section on long inputs.
"""

from __future__ import annotations

# fmt: off
SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221"
    "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb"
    "170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)
# fmt: on
P32_1, P32_2, P32_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
P64_1, P64_2, P64_3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P64_4, P64_5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
_START = (P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1)
STRIPE, BLOCK, STRIPES_PER_BLOCK = 64, 1024, 16
LAST_STRIPE_SECRET, MERGE_LOW, MERGE_HIGH = 192 - 64 - 7, 11, 192 - 64 - 11

_LANES = "<8 x i64>"


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


def _lanes(words: tuple[int, ...]) -> str:
    return "<" + ", ".join(f"i64 {_signed(word)}" for word in words) + ">"


def module() -> str:
    """IR of `void @pbs_hash128(ptr data, i64 bytes, ptr result)`: low half, then high half. Only for bytes > 240."""
    secret = ", ".join(f"i8 {byte}" for byte in SECRET)
    splat = _lanes((0xFFFF_FFFF,) * 8), _lanes((32,) * 8)
    return f"""
@pbs_xxh3_secret = private constant [192 x i8] [{secret}], align 8

define private {_LANES} @pbs_xxh3_add({_LANES} %acc, ptr %data, ptr %key) alwaysinline nounwind {{
  %d = load {_LANES}, ptr %data, align 1
  %s = load {_LANES}, ptr %key, align 1
  %k = xor {_LANES} %d, %s
  %other = shufflevector {_LANES} %d, {_LANES} poison, <8 x i32> <i32 1, i32 0, i32 3, i32 2, i32 5, i32 4, i32 7, i32 6>
  %low = and {_LANES} %k, {splat[0]}
  %high = lshr {_LANES} %k, {splat[1]}
  %product = mul {_LANES} %low, %high
  %sum = add {_LANES} %acc, %other
  %result = add {_LANES} %sum, %product
  ret {_LANES} %result
}}

define private {_LANES} @pbs_xxh3_scramble({_LANES} %acc) alwaysinline nounwind {{
  %s = load {_LANES}, ptr getelementptr (i8, ptr @pbs_xxh3_secret, i64 128), align 1
  %shifted = lshr {_LANES} %acc, {_lanes((47,) * 8)}
  %a = xor {_LANES} %acc, %shifted
  %b = xor {_LANES} %a, %s
  %result = mul {_LANES} %b, {_lanes((P32_1,) * 8)}
  ret {_LANES} %result
}}

define private i64 @pbs_xxh3_avalanche(i64 %h) alwaysinline nounwind {{
  %a = lshr i64 %h, 37
  %b = xor i64 %h, %a
  %c = mul i64 %b, {_signed(0x165667919E3779F9)}
  %d = lshr i64 %c, 32
  %e = xor i64 %c, %d
  ret i64 %e
}}

define private i64 @pbs_xxh3_fold(i64 %a, i64 %b) alwaysinline nounwind {{
  %wide_a = zext i64 %a to i128
  %wide_b = zext i64 %b to i128
  %product = mul i128 %wide_a, %wide_b
  %low = trunc i128 %product to i64
  %up = lshr i128 %product, 64
  %high = trunc i128 %up to i64
  %result = xor i64 %low, %high
  ret i64 %result
}}

define private i64 @pbs_xxh3_merge({_LANES} %acc, i64 %key, i64 %start) alwaysinline nounwind {{
  %from = getelementptr i8, ptr @pbs_xxh3_secret, i64 %key
  %s = load {_LANES}, ptr %from, align 1
  %x = xor {_LANES} %acc, %s
{_merge_lines()}
  %result = call i64 @pbs_xxh3_avalanche(i64 %t4)
  ret i64 %result
}}

define void @pbs_hash128(ptr %data, i64 %bytes, ptr %result) nounwind {{
entry:
  %last_byte = sub i64 %bytes, 1
  %blocks = udiv i64 %last_byte, {BLOCK}
  %some = icmp ne i64 %blocks, 0
  br i1 %some, label %block, label %rest
block:
  %n = phi i64 [0, %entry], [%n1, %block_end]
  %acc0 = phi {_LANES} [{_lanes(_START)}, %entry], [%scrambled, %block_end]
  %block_offset = mul i64 %n, {BLOCK}
  %block_data = getelementptr i8, ptr %data, i64 %block_offset
  br label %stripe
stripe:
  %i = phi i64 [0, %block], [%i1, %stripe]
  %acc1 = phi {_LANES} [%acc0, %block], [%acc2, %stripe]
  %stripe_offset = mul i64 %i, {STRIPE}
  %stripe_data = getelementptr i8, ptr %block_data, i64 %stripe_offset
  %key_offset = mul i64 %i, 8
  %key = getelementptr i8, ptr @pbs_xxh3_secret, i64 %key_offset
  %acc2 = call {_LANES} @pbs_xxh3_add({_LANES} %acc1, ptr %stripe_data, ptr %key)
  %i1 = add i64 %i, 1
  %more_stripes = icmp ult i64 %i1, {STRIPES_PER_BLOCK}
  br i1 %more_stripes, label %stripe, label %block_end
block_end:
  %scrambled = call {_LANES} @pbs_xxh3_scramble({_LANES} %acc2)
  %n1 = add i64 %n, 1
  %more_blocks = icmp ult i64 %n1, %blocks
  br i1 %more_blocks, label %block, label %rest
rest:
  %acc3 = phi {_LANES} [{_lanes(_START)}, %entry], [%scrambled, %block_end]
  %rest_offset = mul i64 %blocks, {BLOCK}
  %rest_data = getelementptr i8, ptr %data, i64 %rest_offset
  %rest_bytes = sub i64 %last_byte, %rest_offset
  %rest_stripes = udiv i64 %rest_bytes, {STRIPE}
  %some_stripes = icmp ne i64 %rest_stripes, 0
  br i1 %some_stripes, label %rest_stripe, label %last
rest_stripe:
  %j = phi i64 [0, %rest], [%j1, %rest_stripe]
  %acc4 = phi {_LANES} [%acc3, %rest], [%acc5, %rest_stripe]
  %j_offset = mul i64 %j, {STRIPE}
  %j_data = getelementptr i8, ptr %rest_data, i64 %j_offset
  %j_key_offset = mul i64 %j, 8
  %j_key = getelementptr i8, ptr @pbs_xxh3_secret, i64 %j_key_offset
  %acc5 = call {_LANES} @pbs_xxh3_add({_LANES} %acc4, ptr %j_data, ptr %j_key)
  %j1 = add i64 %j, 1
  %more_rest = icmp ult i64 %j1, %rest_stripes
  br i1 %more_rest, label %rest_stripe, label %last
last:
  %acc6 = phi {_LANES} [%acc3, %rest], [%acc5, %rest_stripe]
  %last_offset = sub i64 %bytes, {STRIPE}
  %last_data = getelementptr i8, ptr %data, i64 %last_offset
  %last_key = getelementptr i8, ptr @pbs_xxh3_secret, i64 {LAST_STRIPE_SECRET}
  %acc = call {_LANES} @pbs_xxh3_add({_LANES} %acc6, ptr %last_data, ptr %last_key)
  %low_start = mul i64 %bytes, {_signed(P64_1)}
  %low = call i64 @pbs_xxh3_merge({_LANES} %acc, i64 {MERGE_LOW}, i64 %low_start)
  %other = mul i64 %bytes, {_signed(P64_2)}
  %high_start = xor i64 %other, -1
  %high = call i64 @pbs_xxh3_merge({_LANES} %acc, i64 {MERGE_HIGH}, i64 %high_start)
  store i64 %low, ptr %result, align 8
  %second = getelementptr i8, ptr %result, i64 8
  store i64 %high, ptr %second, align 8
  ret void
}}
"""


def _merge_lines() -> str:
    """Fold the eight lanes pairwise and add them up, as `%t4`."""
    lines = ["  %t0 = add i64 %start, 0"]
    for pair in range(4):
        lines += [
            f"  %a{pair} = extractelement {_LANES} %x, i32 {2 * pair}",
            f"  %b{pair} = extractelement {_LANES} %x, i32 {2 * pair + 1}",
            f"  %f{pair} = call i64 @pbs_xxh3_fold(i64 %a{pair}, i64 %b{pair})",
            f"  %t{pair + 1} = add i64 %t{pair}, %f{pair}",
        ]
    return "\n".join(lines)


assert len(SECRET) == 192
