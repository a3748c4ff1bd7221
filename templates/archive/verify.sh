#!/bin/sh
# Checks an evidence archive with a POSIX shell, sha256sum (or shasum) and ssh-keygen of
# OpenSSH 8.2 or newer, and with no program of the archive's makers:
#
#   sh verify.sh                    the archive in whose folder this script lies
#   sh verify.sh ARCHIVE            that archive
#   sh verify.sh ARCHIVE 42:HASH    and head 42 must have this SHA-256: an anchor, as every
#                                   report mail has one in its header X-Intransit-Head
#
# One line per fault; the last line is "OK: ..." (exit 0) or "N faults" (exit 1).
# Nothing is written. Bring your own copy of this script: one that lies beside the evidence
# may have been changed along with it.
export LC_ALL=C
none=0000000000000000000000000000000000000000000000000000000000000000
nl='
'
here= # what places begin with, while inside a bag
sha256='shasum -a 256'
if command -v sha256sum > /dev/null; then sha256=sha256sum; fi

fault() { printf 'FAULT %s%s: %s\n' "$here" "$1" "$2"; }
note() { printf 'NOTE %s\n' "$1"; }
hash() { sum=$($sha256 < "$1") && printf '%s' "${sum%% *}"; }
is_hash() { [ ${#1} -eq 64 ] && case $1 in *[!0-9a-f]*) return 1 ;; esac; }
lines_end() { [ "$(wc -l < "$1")" -eq "$(grep -c '' "$1")" ]; }

# Links, devices, and names that could forge lines of this output. With one of them nothing
# else is looked at: everything below may trust that a name is one line and leads nowhere.
check_entries() {
    find . \( ! -type f ! -type d -o -name '*[[:cntrl:]]*' \) -print |
        sed 's/^\(\.\/\)*\(.*\)/FAULT \2: is a link, is no file, or has a name that cannot be/'
}

check_top() {
    for name in * .[!.]* ..?*; do
        [ -e "$name" ] || continue
        case $name in
            bags | chain) { [ -d "$name" ] && [ -r "$name" ]; } || fault "$name" 'is no folder to read' ;;
            README-AUDITORS.txt | verify.sh | allowed_signers | EXPORT.txt)
                [ -f "$name" ] || fault "$name" 'is not a file' ;;
            *) fault "$name" 'added, or unfinished' ;;
        esac
    done
    [ -f allowed_signers ] || return
    form='intransit-archive namespaces="intransit-archive-v1" ssh-ed25519 [A-Za-z0-9+/]\{68\}'
    { [ -z "$(sed "/^$form\$/d" allowed_signers)" ] && lines_end allowed_signers &&
        [ -z "$(sort allowed_signers | uniq -d)" ] &&
        [ "$(printf '%s\n' "$keys" | grep -c SHA256:)" -eq "$(wc -l < allowed_signers)" ]
    } || fault allowed_signers 'is not a list of keys that the program writes'
}

# Inside a bag: $1 is the SHA-256 of tagmanifest-sha256.txt, as the head has it.
check_bag() {
    for name in * .[!.]* ..?*; do
        case $name in
            data | bag-info.txt | bagit.txt | manifest-sha256.txt | tagmanifest-sha256.txt) ;;
            *) [ ! -e "$name" ] || fault "$name" added ;;
        esac
    done
    [ -d data ] || fault data missing
    for name in bagit.txt bag-info.txt manifest-sha256.txt tagmanifest-sha256.txt; do
        [ -f "$name" ] || { fault "$name" missing; return; }
    done
    [ "$(hash tagmanifest-sha256.txt)" = "$1" ] ||
        fault tagmanifest-sha256.txt 'is not the one that the head names'
    $sha256 bagit.txt bag-info.txt manifest-sha256.txt | cmp -s - tagmanifest-sha256.txt ||
        fault tagmanifest-sha256.txt 'does not fit the three files that it lists'
    printf 'BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n' | cmp -s - bagit.txt ||
        fault bagit.txt 'is not the one of BagIt 1.0'
    oxum=$(find data -type f -exec wc -c {} + |
        awk '$2 ~ /^data\// { octets += $1; files++ } END { printf "%.0f.%d", octets, files }')
    [ "$(sed -n '/^Payload-Oxum:/p' bag-info.txt)" = "Payload-Oxum: $oxum" ] ||
        fault bag-info.txt "does not say Payload-Oxum: $oxum once"

    # The manifest must be, byte for byte, what sha256sum prints of all files, sorted. (Where a
    # name holds a backslash sha256sum escapes the line.)
    sums=$(find data -type f -exec $sha256 {} + | sed '/^\\/{s/^\\//;s/\\\\/\\/g;}' | sort)
    sums=${sums:+$sums$nl}
    printf '%s' "$sums" | cmp -s - manifest-sha256.txt && return
    fault manifest-sha256.txt 'is not the sorted list of the files in data'
    printf '%s' "$sums" | diff manifest-sha256.txt - |
        sed -n -e "s|^< .\{66\}|FAULT $here|p" -e "s|^> .\{66\}|FAULT $here|p" |
        sort -u | sed 's/$/: changed, added, or missing/'
}

# A head must be nine lines, of which four are known beforehand; $id is its number as six digits.
check_head() {
    case $bag in *[!A-Za-z0-9_-]*) bag= ;; "$id"-*) [ ${#bag} -lt 200 ] || bag= ;; *) bag= ;; esac
    case $run in *[!!-~]*) run= ;; esac
    case $time in
        [0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z) ;;
        *) time= ;;
    esac
    case $key in unsigned) ;; *[!!-~]*) key= ;; SHA256:*) ;; *) key= ;; esac
    is_hash "$tag" || tag=
    printf 'intransit-archive v1\nseq: %s\nbag: %s\nrun: %s\ntime: %s\ntagmanifest-sha256: %s\n%s%s\n' \
        "$n" "${bag:-?}" "${run:-?}" "${time:-?}" "${tag:-?}" \
        "previous-head-sha256: $previous${nl}previous-sig-sha256: $previous_sig$nl" "key: ${key:-?}" |
        cmp -s - "$head" || fault "$head" 'not in the order of the chain, or no head'
}

# The signature must be by the key that the head names, and no key may come back after a newer
# one: $place is its place in allowed_signers, 0 for unsigned.
check_signature() {
    place=0
    if [ "$key" = unsigned ]; then
        [ ! -e "$head.sig" ] || fault "$head.sig" 'added: the head says that it is unsigned'
    else
        i=0
        for known in $keys; do i=$((i + 1)); [ "$known" != "$key" ] || place=$i; done
        said=$(ssh-keygen -Y verify -f allowed_signers -I intransit-archive \
            -n intransit-archive-v1 -s "$head.sig" < "$head" 2> /dev/null)
        case $said in
            'Good "intransit-archive-v1" signature '*" key $key") ;;
            *) fault "$head.sig" "signature is missing, or not by $key" ;;
        esac
        # ssh-keygen takes blanks within and words around it, which no hash would cover.
        [ ! -f "$head.sig" ] || {
            [ "$(wc -l < "$head.sig")" -eq 6 ] && [ -z "$(sed \
                -e '1{/^-----BEGIN SSH SIGNATURE-----$/d;}' -e '2,4{/^[A-Za-z0-9+/]\{70\}$/d;}' \
                -e '5{/^[A-Za-z0-9+/]\{44\}==$/d;}' -e '6{/^-----END SSH SIGNATURE-----$/d;}' \
                "$head.sig")" ]
        } || fault "$head.sig" 'is not the bare signature'
    fi
    if [ $place -lt $newest_key ]; then fault "$head" "$key after a newer key"; else newest_key=$place; fi
}

check_stamps() {
    for stamp in "$head.tsq" "$head.tsr"; do
        [ ! -f "$stamp" ] || od -A n -v -t x1 "$stamp" | tr -d '\n' | tr -s ' ' |
            grep -qF "$(echo "$1" | sed 's/../ &/g')" || fault "$stamp" 'is for another head'
    done
}

# A bag that is away must be left out of this copy, or removed as a later sound bag says.
check_away() {
    if [ -f EXPORT.txt ]; then
        if grep -qxF "bag: $1" EXPORT.txt; then fault "bags/$1" missing; else echo left-out; fi
        return
    fi
    id=${1%%-*}
    for holder in $sound; do
        file=bags/$holder/data/tombstones/$id.tombstone
        { [ "${holder%%-*}" -gt "$id" ] && [ -f "$file" ]; } || continue
        fits=$(sed -e '5{/^reason: ./d;}' -e '6{/^by: ./d;}' -e '7{/^time: ./d;}' "$file")
        [ "$fits" = "intransit-tombstone v1$nl$(sed -n '2p;3p;6p' "chain/$id.head")" ] &&
            [ "$(wc -l < "$file")" -eq 7 ] && { note "bags/$1 was removed, says $file"; return; }
    done
    fault "bags/$1" missing
}

check_export() {
    { [ "$(sed q EXPORT.txt)" = 'intransit-export v1' ] && lines_end EXPORT.txt; } ||
        fault EXPORT.txt 'is not a list of bags that the program writes'
    sed 1d EXPORT.txt | while IFS= read -r line; do
        case $bags in *"/${line#bag: }/"*) [ "${line#bag: }" = "$line" ] || continue ;; esac
        fault EXPORT.txt "names a bag that no head knows: $line"
    done
}

check() {
    keys=$(sed 's/.* ssh-/ssh-/' allowed_signers 2> /dev/null |
        ssh-keygen -l -f - 2> /dev/null | cut -d ' ' -f 2)
    check_top
    n=0 count=0 newest_key=0 previous=$none previous_sig=$none heads=/ bags=/ sound= away=
    while id=$(printf %06d $((n + 1))) head=chain/$id.head && [ -f "$head" ]; do
        n=$((n + 1)) heads=$heads$id/
        { read -r _; read -r _; read -r _ bag; read -r _ run; read -r _ time; read -r _ tag
          read -r _; read -r _; read -r _ key; } < "$head"
        check_head
        check_signature
        previous=$(hash "$head") previous_sig=$none
        [ ! -f "$head.sig" ] || previous_sig=$(hash "$head.sig")
        check_stamps "$previous"
        [ "$bag" ] || continue
        bags=$bags$bag/
        if [ -d "bags/$bag" ]; then
            count=$((count + 1)) here=bags/$bag/
            found=$(cd "bags/$bag" && check_bag "$tag")
            here=
            if [ "$found" ]; then printf '%s\n' "$found"; else sound="$sound $bag"; fi
        else
            away="$away $bag"
        fi
    done
    for name in chain/* chain/.[!.]* chain/..?*; do
        case ${name#chain/} in *.head | *.head.sig | *.head.tsq | *.head.tsr)
            id=${name#chain/} id=${id%.???} id=${id%.head}
            case $heads in *"/$id/"*) [ -f "$name" ] && continue ;; esac ;;
        esac
        [ ! -e "$name" ] || fault "$name" 'added, unfinished, or a head before it is missing'
    done
    for name in bags/* bags/.[!.]* bags/..?*; do
        case $bags in *"/${name#bags/}/"*) continue ;; esac
        [ ! -e "$name" ] || fault "$name" 'added, unfinished, or has no head'
    done
    [ ! -f EXPORT.txt ] || check_export
    for bag in $away; do check_away "$bag"; done | awk '
        /^left-out$/ { n++; next } { print }
        END { if (n) print "NOTE " n " bags are not part of this copy; nothing is said of them" }'

    if [ -z "$anchor" ]; then
        note 'no anchor was given: that newer heads were not cut off is not proven'
    elif [ "${anchor% *}" -gt $n ]; then
        fault "chain/$(printf %06d "${anchor% *}").head" "truncated: the newest here is $n"
    elif [ "$(hash "chain/$(printf %06d "${anchor% *}").head")" != "${anchor#* }" ]; then
        fault "chain/$(printf %06d "${anchor% *}").head" 'rewritten: the anchor knows another'
    elif [ "${anchor% *}" -lt $n ]; then
        note "the anchor is older than the newest head, $n: it says nothing of those after it"
    fi
    if [ $newest_key -eq 0 ]; then
        note '!!! NOT SIGNED: whoever could write to this archive could have made all of it'
    else
        printf '%s\n' "$keys" | sed 's/^/NOTE keys, oldest first; ask whether they are right: /'
    fi
    if [ $n -eq 0 ]; then note 'no head is here: nothing is proven'; previous=$none; fi
    printf 'OK: %d bags, newest head %06d sha256:%s\n' $count $n "$previous"
}

anchor=$(printf '%s\n' "$2" |
    sed -n 's/^0*\([1-9][0-9]\{0,8\}\)[: ]\(sha256:\)\{0,1\}\([0-9a-f]\{64\}\)$/\1 \3/p')
if [ "$2" ] && [ -z "$anchor" ]; then echo "not SEQ:HASH: $2" >&2; exit 2; fi
CDPATH= cd -- "${1:-$(dirname -- "$0")}" || exit 2
for tool in ssh-keygen find awk cmp od diff ${sha256%% *}; do
    command -v "$tool" > /dev/null || { echo "$tool is needed" >&2; exit 2; }
done

# Faults are counted at the end of the pipe; a check that did not come to its end has no OK line.
{ strange=$(check_entries)
  if [ "$strange" ]; then printf '%s\n' "$strange"; else check; fi
} | tr -d '\000-\011\013-\037\177' | awk '/^OK: / { ok = $0; next }
    { print } /^FAULT / { faults++ }
    END { if (faults) print faults " faults"; else print ok ? ok : "not finished"
          exit faults || !ok }'
