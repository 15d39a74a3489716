# Completion of tidings for bash. Load it with: source <(tidings completion bash)

_tidings() {
	local cur=${COMP_WORDS[COMP_CWORD]} value help name
	[[ $cur == [=:]* ]] && cur= # bash splits words at = and :
	COMPREPLY=()
	while IFS=$'\t' read -r value help; do
		case $value in
		:files | :dirs)
			compopt -o filenames
			local action=-f
			[[ $value == :dirs ]] && action=-d
			while IFS= read -r name; do COMPREPLY+=("$name"); done < <(compgen "$action" -- "$cur")
			;;
		*) COMPREPLY+=("$value") ;;
		esac
	done < <("${COMP_WORDS[0]}" complete --shell bash -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
	[[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
	return 0
}

complete -F _tidings tidings
