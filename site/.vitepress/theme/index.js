// The default theme of VitePress, with the changes of tables.css.
import DefaultTheme from 'vitepress/theme'
import './tables.css'

export default DefaultTheme
